//! The number of files and connections that this process may have open.
//!
//! Many systems start a process with a soft limit of 256 or 1024, which a few hundred idle strangers use up: then nobody gets an answer,
//! and the database no connection. The soft limit is raised to the hard one, as Go's programs do by themselves, and what clients may
//! take leaves room for what the process needs itself.

use anyhow::ensure;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::HttpConfig;

/// The most that macOS accepts where its hard limit says that there is none (`OPEN_MAX` of its `<sys/syslimits.h>`).
const OPEN_MAX: u64 = 10_240;

/// The port of probes takes these, whoever comes to the others.
const PROBE_CONNECTIONS: u64 = 32;

/// The number of files that a process needs beside its clients' connections: databases, calls to other services, logs.
#[derive(Clone, Copy, Debug)]
pub struct FileNeeds {
    /// Servers in this process.
    pub servers: u64,
    /// The files that they need in all.
    pub beside_clients: u64,
    /// Files that one request opens: its connection, and the one by which it is passed on.
    pub each_client: u64,
}

impl FileNeeds {
    /// A service of its own.
    pub const SERVICE: FileNeeds = FileNeeds {
        servers: 1,
        beside_clients: 64 + PROBE_CONNECTIONS,
        each_client: 2,
    };
    /// All five in one process.
    pub const LOCAL: FileNeeds = FileNeeds {
        servers: 5,
        beside_clients: 128 + PROBE_CONNECTIONS,
        each_client: 1,
    };
    /// Clients at once without which a server is of no use.
    const CLIENTS_MIN: u64 = 4;

    /// Raises the limit as far as it goes, and bounds the clients by it. An error where that cannot work.
    pub fn claim(self, http: &mut HttpConfig) -> anyhow::Result<()> {
        self.bound(raise_limit(), http)
    }

    fn bound(self, limit: u64, http: &mut HttpConfig) -> anyhow::Result<()> {
        let shares = self.servers.saturating_mul(self.each_client);
        let least = self
            .beside_clients
            .saturating_add(shares.saturating_mul(FileNeeds::CLIENTS_MIN));
        ensure!(
            limit >= least,
            "this process may have only {limit} files open (`ulimit -n`), and needs at least {least}"
        );
        let clients = limit.saturating_sub(self.beside_clients) / shares;
        http.max_connections = http
            .max_connections
            .min(usize::try_from(clients).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Raises the soft limit to the hard one; gives what the limit is now.
fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current.unwrap_or(u64::MAX);
    for raised in [limit.maximum, Some(OPEN_MAX)] {
        if raised.unwrap_or(u64::MAX) <= before {
            continue;
        }
        limit.current = raised;
        if setrlimit(Resource::Nofile, limit).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use super::*;

    fn connections(needs: FileNeeds, limit: u64) -> anyhow::Result<usize> {
        let mut http = HttpConfig::default();
        needs.bound(limit, &mut http)?;
        Ok(http.max_connections)
    }

    #[test]
    fn clients_leave_room_for_what_the_process_needs_itself() {
        assert_eq!(
            connections(FileNeeds::LOCAL, 1_000_000).unwrap(),
            HttpConfig::default().max_connections
        );
        assert_eq!(connections(FileNeeds::LOCAL, 1_160).unwrap(), 200);
        assert_eq!(connections(FileNeeds::SERVICE, 1_096).unwrap(), 500);
        let refused = connections(FileNeeds::LOCAL, 64).unwrap_err().to_string();
        assert_eq!(
            refused,
            "this process may have only 64 files open (`ulimit -n`), and needs at least 180"
        );
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raise_limit(), hard);
    }
}
