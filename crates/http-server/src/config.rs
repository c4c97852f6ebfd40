//! The settings of how a server listens and ends.

use std::time::Duration;

use crate::places::AddressLimit;
use clap::ArgAction;
use settings::{Findings, Settings, positive_seconds, seconds};

/// The limits within which a server listens and ends.
#[derive(Clone, Debug, clap::Args)]
pub struct HttpConfig {
    /// Seconds that a request may take before it is answered with 504
    #[arg(long = "server-timeout", env = "SERVER_TIMEOUT", default_value = "15", value_parser = positive_seconds)]
    pub deadline: Duration,
    /// Seconds that a client may take to send a request's headers, from their first byte or from the beginning of a connection; then it
    /// is answered with 408
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "10", value_parser = positive_seconds)]
    pub header_timeout: Duration,
    /// Seconds that a connection lives on after an answer when no other request comes. Keep it above those of a proxy in front
    #[arg(long, env = "IDLE_TIMEOUT", default_value = "75", value_parser = positive_seconds)]
    pub idle_timeout: Duration,
    /// Seconds that a client may take to send a request's body; then it is answered with 408
    #[arg(long, env = "BODY_TIMEOUT", default_value = "10", value_parser = positive_seconds)]
    pub body_timeout: Duration,
    /// The origins whose pages may call, separated by commas; `*` for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "*", value_delimiter = ',', value_parser = settings::origin)]
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is answered at the service's own port too; `false` where PROBE_PORT has it and strangers reach the port
    #[arg(long, env = "PUBLIC_METRICS", default_value = "true", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set, value_parser = settings::yes_or_no)]
    pub public_metrics: bool,
    /// Whether a request goes on in the trace that its `traceparent` names. Without it the services do, and the gateway begins one of its own,
    /// with a link: strangers would decide what is recorded. `true` there where a proxy in front makes the header, or removes it
    #[arg(long, env = "CONTINUE_TRACES", default_missing_value = "true", num_args = 0..=1, require_equals = true,
        value_parser = settings::yes_or_no)]
    pub continue_traces: Option<bool>,
    /// Seconds between the flip of readiness and the end of listening, so that load balancers look away first
    #[arg(long, env = "SHUTDOWN_DELAY", default_value = "0", value_parser = seconds)]
    pub shutdown_delay: Duration,
    /// Seconds that open requests have to finish at the end
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "20", value_parser = positive_seconds)]
    pub shutdown_timeout: Duration,
    /// Connections that are served at once; more wait. Less where the process may not open so many files
    // An id of its own: the database has connections too, and clap takes arguments of one id for one argument.
    #[arg(
        id = "http_max_connections",
        long = "max-connections",
        env = "MAX_CONNECTIONS",
        default_value_t = 10_000,
        value_parser = settings::at_least_one
    )]
    pub max_connections: usize,
    /// Connections that one address may have of these (a /64 network of IPv6 is one address); more are answered with 429. Without it
    /// half of them, and no limit for this machine's own addresses. Where one proxy brings everybody, set it as high as MAX_CONNECTIONS
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", value_parser = settings::at_least_one)]
    pub max_connections_per_address: Option<usize>,
}

impl Default for HttpConfig {
    /// The defaults of the command line.
    fn default() -> HttpConfig {
        HttpConfig {
            deadline: Duration::from_secs(15),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            cors_origins: vec!["*".to_owned()],
            public_metrics: true,
            continue_traces: None,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(20),
            max_connections: 10_000,
            max_connections_per_address: None,
        }
    }
}

impl Settings for HttpConfig {
    fn check(&self, found: &mut Findings) {
        if self.header_timeout > self.idle_timeout {
            found.hint(format!(
                "HEADER_TIMEOUT ({} s) is above IDLE_TIMEOUT ({} s), which ends a connection before",
                self.header_timeout.as_secs_f64(),
                self.idle_timeout.as_secs_f64()
            ));
        }
    }
}

impl HttpConfig {
    /// The connections that one address may have.
    pub(crate) fn address_limit(&self) -> AddressLimit {
        AddressLimit {
            max: self
                .max_connections_per_address
                .unwrap_or_else(|| self.max_connections.div_ceil(2)),
            is_for_own_machine: self.max_connections_per_address.is_some(),
        }
    }

    /// Returns whether a request has the time that a call that it makes may take.
    pub fn check_call(&self, call: Option<(&'static str, Duration)>, found: &mut Findings) {
        if let Some((variable, limit)) = call
            && limit >= self.deadline
        {
            found.hint(format!(
                "{variable} ({} s) is not below SERVER_TIMEOUT ({} s), after which every request is answered with 504",
                limit.as_secs_f64(),
                self.deadline.as_secs_f64()
            ));
        }
    }
}
