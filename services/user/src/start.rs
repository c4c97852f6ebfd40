//! The conditions of the first request: the ledger that the users belong to, the demo users, the first administrator.
//!
//! Each step may be repeated, and done by several replicas at once. While the database is away or not migrated it is tried
//! again, and the service is not ready. Nothing is made before the ledger has said that it is the right one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use auth::Role;
use clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::belonging::Belonging;
use crate::domain::{Email, Password};
use crate::error::Error;
use crate::passwords::Passwords;
use crate::store::{NewUser, Store};

const TRY_EVERY: Duration = Duration::from_millis(250);

/// Name, address and number of the demo users, in the order of their ids.
const DEMO_USERS: [(&str, &str, &str); 3] = [
    ("John Doe", "john@example.com", "081234567890"),
    ("Jane Smith", "jane@example.com", "081234567891"),
    ("Bob Wilson", "bob@example.com", "081234567892"),
];
const DEMO_PASSWORD: &str = "password123";

/// The work at the start.
pub(crate) struct Start {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) belonging: Arc<Belonging>,
    pub(crate) clock: Clock,
    pub(crate) demo_data: bool,
    pub(crate) admin: Option<Admin>,
}

/// The first administrator, as configured.
pub(crate) struct Admin {
    email: Email,
    password: Password,
}

impl Admin {
    /// Checks the configuration.
    pub(crate) fn parse(
        email: Option<&str>,
        password: Option<&str>,
    ) -> anyhow::Result<Option<Admin>> {
        let is_given = |value: &&str| !value.is_empty();
        let (email, password) = match (email.filter(is_given), password.filter(is_given)) {
            (None, None) => return Ok(None),
            (Some(email), Some(password)) => (email, password),
            (Some(_), None) => {
                bail!("ADMIN_PASSWORD must be set, too: ADMIN_EMAIL and ADMIN_PASSWORD go together")
            }
            (None, Some(_)) => {
                bail!("ADMIN_EMAIL must be set, too: ADMIN_EMAIL and ADMIN_PASSWORD go together")
            }
        };
        let email = Email::parse(email).context("ADMIN_EMAIL is not an address")?;
        let password = Password::choose(password).map_err(|error| {
            let message = error.body.message.unwrap_or_default();
            anyhow!("ADMIN_PASSWORD: {message}")
        })?;
        Ok(Some(Admin { email, password }))
    }
}

impl Start {
    /// Does it all, once.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        // Nothing is made in a database that does not belong to the ledger.
        self.belonging.ask().await?;
        // The demo users first: their ids are 1, 2 and 3.
        if self.demo_data && self.store.is_empty().await? && self.store.own().await?.lost_up_to == 0
        {
            self.add_demo_users().await?;
        }
        if let Some(admin) = &self.admin {
            self.ensure_admin(admin).await?;
        }
        // Now the ledger hears of them.
        self.belonging.ask().await?;
        self.belonging.open();
        Ok(())
    }

    /// Does it all, as often as it takes, until `stop`.
    pub(crate) async fn run_until_done(&self, stop: &CancellationToken) {
        loop {
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = self.run() => result,
            };
            match result {
                Ok(()) => return,
                // Why it is not ready is logged where that is judged.
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the service cannot start yet"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TRY_EVERY) => {}
            }
        }
    }

    async fn add_demo_users(&self) -> Result<(), Error> {
        let at = self.clock.now();
        let mut hashes = Vec::new();
        for _ in DEMO_USERS {
            hashes.push(self.passwords.hash(Password::demo(DEMO_PASSWORD)).await?);
        }
        let users: Vec<NewUser<'_>> = DEMO_USERS
            .iter()
            .zip(&hashes)
            .map(|((name, email, phone), password_hash)| NewUser {
                name,
                email,
                email_key: email,
                phone,
                password_hash,
                role: Role::User,
                at,
            })
            .collect();
        self.store.add_first_users(&users).await
    }

    async fn ensure_admin(&self, admin: &Admin) -> Result<(), Error> {
        let email_key = admin.email.key();
        if self.store.is_admin(&email_key).await? {
            return Ok(());
        }
        let password_hash = self.passwords.hash(admin.password.clone()).await?;
        self.store
            .ensure_admin(&NewUser {
                name: "Administrator",
                email: admin.email.as_str(),
                email_key: &email_key,
                phone: "",
                password_hash: &password_hash,
                role: Role::Admin,
                at: self.clock.now(),
            })
            .await
    }
}
