//! The databases of services that have one each, as in a cluster, where one audit is to see all of them.

use std::fmt;

use store::DatabaseConfig;

/// Connections to each of them: an audit reads one page after the other, and must not take those of the services.
const CONNECTIONS: u32 = 2;

/// The databases of a bank whose services have one each. An empty URL counts as none.
#[derive(Clone, Default, clap::Args)]
pub struct ServiceDatabases {
    /// The wallet service's database, where each service has one of its own: the ledger
    #[arg(long, env = "WALLET_DATABASE_URL", hide_env_values = true, value_parser = store::database_url)]
    pub wallet_database_url: Option<String>,
    /// The transaction service's database; without it that service's history is left out of the audit
    #[arg(long, env = "TRANSACTION_DATABASE_URL", hide_env_values = true, value_parser = store::database_url)]
    pub transaction_database_url: Option<String>,
    /// The payment service's database; without it the payments are left out of the audit
    #[arg(long, env = "PAYMENT_DATABASE_URL", hide_env_values = true, value_parser = store::database_url)]
    pub payment_database_url: Option<String>,
    /// The user service's database; without it users are left out of the audit
    #[arg(long, env = "USER_DATABASE_URL", hide_env_values = true, value_parser = store::database_url)]
    pub user_database_url: Option<String>,
    /// The schema of PostgreSQL that the tables in these four are in; without it that of the service's name
    #[arg(long, env = "DATABASE_SCHEMA")]
    pub database_schema: Option<String>,
}

impl ServiceDatabases {
    /// Returns whether any is named.
    pub(crate) fn is_any(&self) -> bool {
        ["wallet", "transaction", "payment", "user"]
            .iter()
            .any(|service| self.url(service).is_some())
    }

    /// The database of one service, when it is named.
    pub(crate) fn database(&self, service: &str) -> Option<DatabaseConfig> {
        let schema = self.database_schema.as_deref();
        let schema = schema.filter(|name| !name.is_empty()).unwrap_or(service);
        Some(DatabaseConfig {
            max_connections: CONNECTIONS,
            ..DatabaseConfig::at(self.url(service)?).in_schema(schema)
        })
    }

    fn url(&self, service: &str) -> Option<&str> {
        let url = match service {
            "wallet" => &self.wallet_database_url,
            "transaction" => &self.transaction_database_url,
            "payment" => &self.payment_database_url,
            "user" => &self.user_database_url,
            _ => &None,
        };
        url.as_deref().filter(|url| !url.is_empty())
    }
}

impl fmt::Debug for ServiceDatabases {
    /// Without the URLs, which have passwords in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDatabases")
            .field("database_schema", &self.database_schema)
            .finish_non_exhaustive()
    }
}
