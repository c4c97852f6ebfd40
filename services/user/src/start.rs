//! The conditions of the first request: the ledger that the users belong to, the demo users, the first administrator.
//!
//! Each step may be repeated, and done by several replicas at once. While the database is away or not migrated it is tried
//! again, and the service is not ready. Nothing is made before the ledger has said that it is the right one.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use auth::Role;
use clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::audit::{Act, Actor, Audit, Kind};
use crate::belonging::Belonging;
use crate::domain::{DEMO_PASSWORD, Email, Owner, Password, PasswordRules};
use crate::error::Error;
use crate::guard::Guard;
use crate::passwords::{Passwords, Verdict};
use crate::sessions::{Client, Sessions};
use crate::store::{NewUser, Secret, Store};

const TRY_EVERY: Duration = Duration::from_millis(250);

/// Name, address and number of the demo users, in the order of their ids.
const DEMO_USERS: [(&str, &str, &str); 3] = [
    ("John Doe", "john@example.com", "081234567890"),
    ("Jane Smith", "jane@example.com", "081234567891"),
    ("Bob Wilson", "bob@example.com", "081234567892"),
];
/// Former values of ADMIN_PASSWORD that are compared with the present one.
const ADMIN_PASSWORDS_MAX: i64 = 20;
const ADMIN_NAME: &str = "Administrator";

/// The work at the start.
pub(crate) struct Start {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) guard: Guard,
    pub(crate) belonging: Arc<Belonging>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) audit: Audit,
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
        let owner = Owner {
            name: ADMIN_NAME,
            email: email.as_str(),
            phone: "",
        };
        let rules = PasswordRules {
            allow_demo_password: false,
        };
        let password = Password::choose(password, owner, rules)
            .map_err(|why| anyhow!("ADMIN_PASSWORD {why}"))?;
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
        self.store.add_first_users(&users).await?;
        // They belong to whoever sits at this machine: strangers cannot slow down a log-in from there.
        for (_, email, _) in DEMO_USERS {
            for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                self.guard.know(email, address).await?;
            }
        }
        Ok(())
    }

    async fn ensure_admin(&self, admin: &Admin) -> Result<(), Error> {
        let email_key = admin.email.key();
        if let Some((user, secret)) = self.store.find_by_email(&email_key).await?
            && user.role == Role::Admin
        {
            return self.take_new_password(user.id, &secret, admin).await;
        }
        let password_hash = self.passwords.hash(admin.password.clone()).await?;
        let new = NewUser {
            name: ADMIN_NAME,
            email: admin.email.as_str(),
            email_key: &email_key,
            phone: "",
            password_hash: &password_hash,
            role: Role::Admin,
            at: self.clock.now(),
        };
        let end = self.sessions.end_now(0);
        let act = |id| self.act(Kind::MakeAdmin, id);
        if let Some(act) = self.store.ensure_admin(&new, end, act).await? {
            self.audit.tell(&act);
        }
        Ok(())
    }

    /// Gives the administrator the configured password, where that is one which was never configured before. A password that was changed since
    /// by the administrator stays, whatever is configured still; and a value that was replaced, because somebody knows it, does not come
    /// back with a replica that has it still.
    async fn take_new_password(
        &self,
        id: i64,
        secret: &Secret,
        admin: &Admin,
    ) -> Result<(), Error> {
        let known = self.store.admin_passwords(id, ADMIN_PASSWORDS_MAX).await?;
        for (age, hash) in known.iter().enumerate() {
            if self.is_password(admin, hash).await? {
                if age > 0 {
                    tracing::warn!(
                        user_id = id,
                        "ADMIN_PASSWORD has a value that was replaced since; it is not taken again"
                    );
                }
                return Ok(());
            }
        }
        let now = self.clock.now();
        if known.is_empty() && self.is_password(admin, &secret.password_hash).await? {
            // The release before did not note it.
            let hash = &secret.password_hash;
            return self.store.note_admin_password(id, hash, now).await;
        }
        let hash = self.passwords.hash(admin.password.clone()).await?;
        let (end, act) = (
            self.sessions.end_now(0),
            self.act(Kind::SetAdminPassword, id),
        );
        let set = self
            .store
            .replace_admin_password(id, secret, &hash, (end, &act));
        if set.await? {
            self.audit.tell(&act);
        }
        Ok(())
    }

    fn act(&self, kind: Kind, id: i64) -> Act {
        let now = self.clock.now();
        Act::on_user(kind, Actor::Service, id, &Client::default(), now)
            .because("ADMIN_EMAIL and ADMIN_PASSWORD")
    }

    async fn is_password(&self, admin: &Admin, hash: &str) -> Result<bool, Error> {
        let password = admin.password.clone();
        let verdict = self.passwords.verify(password, hash.to_owned()).await?;
        Ok(verdict != Verdict::Wrong)
    }
}
