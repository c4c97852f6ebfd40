//! Variables that nobody reads, and whose name is close to one that somebody does.

use crate::text_is_close;

/// Every variable that one of Dompet's programs reads. A test compares it with their command lines.
pub const VARIABLES: &[&str] = &[
    "ADMIN_EMAIL",
    "ADMIN_PASSWORD",
    "ARGON2_MEMORY_KIB",
    "ARGON2_PASSES",
    "AUDIT_RETENTION_DAYS",
    "BIND",
    "BODY_TIMEOUT",
    "CONTINUE_TRACES",
    "CORS_ORIGINS",
    "CURRENCIES",
    "DATABASE_CONNECTIONS",
    "DATABASE_SCHEMA",
    "DATABASE_URL",
    "DATABASE_WAIT",
    "DATA_DIR",
    "DEMO_DATA",
    "EVENT_STREAMS_MAX",
    "GATEWAYS",
    "GATEWAY_PORT",
    "HEADER_TIMEOUT",
    "IDLE_TIMEOUT",
    "LIMITS",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_ADDRESS",
    "MAX_PASSWORD_HASHES",
    "MOVEMENT_MAX",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER_ARG",
    "PASSWORD_TRIES",
    "PAYER_REFUNDS",
    "PAYMENT_DATABASE_URL",
    "PAYMENT_SERVICE_PORT",
    "PAYMENT_SERVICE_URL",
    "PEER_URL",
    "PORT",
    "PROBE_PORT",
    "PUBLIC_METRICS",
    "RATE_LIMITS",
    "REDIS_URL",
    "REQUEST_TIMEOUT",
    "SECRET_KEY",
    "SECRET_KEY_PREVIOUS",
    "SERVER_TIMEOUT",
    "SERVICE_KEY",
    "SERVICE_KEY_PREVIOUS",
    "SHUTDOWN_DELAY",
    "SHUTDOWN_TIMEOUT",
    "TOPUP",
    "TRANSACTION_DATABASE_URL",
    "TRANSACTION_SERVICE_PORT",
    "TRANSACTION_SERVICE_URL",
    "TRUSTED_PROXIES",
    "UPSTREAM_REQUESTS_MAX",
    "USER_DATABASE_URL",
    "USER_SERVICE_PORT",
    "USER_SERVICE_URL",
    "WALLET_DATABASE_URL",
    "WALLET_SERVICE_PORT",
    "WALLET_SERVICE_URL",
];

/// Names shorter than this are close to too much.
const NAME_CHARS_MIN: usize = 6;
/// The variables that Kubernetes sets in every pod for each service: never a typing error.
const SET_BY_KUBERNETES: [&str; 2] = ["_SERVICE_HOST", "_TCP"];

/// A sentence for each of these names that is probably another one mistyped.
pub fn hints(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut hints: Vec<String> = names
        .into_iter()
        .filter(|name| !VARIABLES.contains(&name.as_str()))
        .filter(|name| name.chars().count() >= NAME_CHARS_MIN)
        .filter(|name| !SET_BY_KUBERNETES.iter().any(|end| name.ends_with(end)))
        .filter_map(|name| {
            let meant = text_is_close(&name.to_uppercase(), VARIABLES.iter().copied())?;
            Some(format!(
                "{name} is set, and nothing reads it; is {meant} meant?"
            ))
        })
        .collect();
    hints.sort();
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_close_to_a_known_one_is_told() {
        for (name, meant) in [
            ("GATEWAY_PROT", "GATEWAY_PORT"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("DATBASE_URL", "DATABASE_URL"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("REQUEST_TIMEOUTS", "REQUEST_TIMEOUT"),
            ("log_level", "LOG_LEVEL"),
        ] {
            assert_eq!(
                hints([name.to_owned()]),
                [format!(
                    "{name} is set, and nothing reads it; is {meant} meant?"
                )]
            );
        }
        for name in [
            "HOME",
            "PATH",
            "POST",
            "LOG_LEVEL",
            "WALLET_SERVICE_HOST",
            "USER_SERVICE_PORT_5001_TCP",
            "DOMPET_USER_SERVICE_PORT",
            "PGHOST",
            "SERVICE_NAME",
        ] {
            assert_eq!(hints([name.to_owned()]), Vec::<String>::new(), "{name}");
        }
    }
}
