//! The proxies whose word about a client's address is believed.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The addresses of one header that are read: a client can write as many as it likes in front.
const HOPS_MAX: usize = 16;

/// The networks of proxies that are trusted. Without any, the other end of the connection is the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Arc<[IpNet]>);

impl FromStr for Proxies {
    type Err = String;

    /// Addresses and networks, with commas between them.
    fn from_str(text: &str) -> Result<Proxies, String> {
        let network = |word: &str| {
            let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
            word.parse().ok().or_else(address).ok_or_else(|| {
                format!("addresses or networks with commas between them, such as 10.0.0.0/8,fd00::/8; {word:?} is none")
            })
        };
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(network)
            .collect::<Result<_, _>>()
            .map(Proxies)
    }
}

impl Proxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind a connection from `peer`: the last address in `X-Forwarded-For` that is not a trusted proxy's. Each
    /// trusted proxy has added the address that it was called from, so what is left of that may be the client's invention.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.trust(client) {
            return client;
        }
        let hops = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = hops.flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
        for hop in hops.take(HOPS_MAX) {
            // A word that is no address ends it: what stands left of it was not written by whom we trust.
            let Some(address) = address(hop) else { break };
            client = address;
            if !self.trust(client) {
                break;
            }
        }
        client
    }
}

/// The address of a hop. Some proxies add a port.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = bare.unwrap_or(hop).parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    address.or_else(with_port).map(|it| it.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use http::HeaderValue;

    use super::*;

    fn client(proxies: &str, peer: &str, headers: &[&'static str]) -> String {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let proxies: Proxies = proxies.parse().unwrap();
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = "10.0.0.0/8, 192.0.2.1,fd00::/8";
        for (peer, headers, expected) in [
            // Not from a proxy: whatever it says.
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            // The client's own invention stands left.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.9.9.9, 198.51.100.1"], "198.51.100.1"),
            // Through several proxies.
            (
                "10.0.0.1",
                &["1.1.1.1, 198.51.100.1, 192.0.2.1,10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            // No address: the last that is known.
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(
                client(proxies, peer, headers),
                expected,
                "{peer} {headers:?}"
            );
        }
        assert_eq!(client("", "10.0.0.1", &["198.51.100.1"]), "10.0.0.1");
    }

    #[test]
    fn a_long_header_is_not_read_to_its_end() {
        let many: &'static str = Box::leak(vec!["10.0.0.2"; 100].join(",").into_boxed_str());
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[many]), "10.0.0.2");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in ["proxy.example.com", "10.0.0.0/33", "10.0.0.0 8", "*"] {
            assert!(wrong.parse::<Proxies>().is_err(), "{wrong}");
        }
        assert_eq!(" ".parse(), Ok(Proxies::default()));
    }
}
