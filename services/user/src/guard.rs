//! Who may try a password now: counts tries before a password is hashed, and lets them wait for their turn.
//!
//! Tries are counted by account and address together, by account, and by address ([`rules`] has how). They are in the database,
//! because a restart must not give new ones, and under an HMAC, because what people type as an address is nobody's business.
//!
//! What must hold: an account is never locked for its owner. From an address that the account has been logged in from, only the tries
//! from there count; from any other the first one is always free, and the wait after it has a limit. A success gives back the tries of
//! its own account from its own address, and no others. An unknown account is treated like one that is there.

mod queue;
mod rules;

pub(crate) use queue::{Joined, Queue};
pub(crate) use rules::{Rule, Tries};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use client_address::Subject;
use clock::{Clock, Timestamp};
use http_server::Metrics;
use moka::sync::Cache;
use prometheus::{IntCounterVec, Opts};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::config::PasswordTries;
use crate::error::Error;
use crate::passwords::{Line, Passwords, Turn};
use crate::request_hash::{derive, hmac_of};
use crate::store::{Charge, NotCharged, Store};

const PURPOSE: &[u8] = b"tries of passwords, HMAC-SHA256, v1";

/// Refusals that are remembered, so that a repeat costs no look into the database.
const REFUSALS_MAX: u64 = 10_000;
/// The time that a refusal is remembered: another replica may have let the caller in since.
const REFUSAL_REMEMBERED: Duration = Duration::from_secs(1);
/// The interval at which what is forgiven is deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What is counted, as it is kept.
pub(crate) type Digest = [u8; 32];

/// Counts tries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Shared>);

struct Shared {
    store: Store,
    passwords: Passwords,
    clock: Clock,
    key: [u8; 32],
    rules: Rules,
    refusals: Cache<Digest, Refusal>,
    refused: IntCounterVec,
}

/// A refusal of a moment ago.
#[derive(Clone, Copy)]
struct Refusal {
    rule: &'static str,
    /// When the next try is free.
    open_at: Timestamp,
    remembered_until: Timestamp,
}

/// The rules.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Of an account, from an address that it has been logged in from.
    known: Rule,
    /// Of an account, from another address.
    strange: Rule,
    /// The same, while strangers try that account from everywhere.
    strange_under_attack: Rule,
    /// Of an account, from all other addresses. It lets nobody wait: it says when an account is under attack.
    account: Rule,
    /// From an address, of all accounts that have not been logged in from there.
    address: Rule,
    /// Registrations of addresses that are taken, from one address.
    registrations: Rule,
}

impl Rules {
    fn new(free: PasswordTries) -> Rules {
        let seconds = Duration::from_secs;
        let rule = |free, longest, forgiven| Rule {
            free,
            first_wait: seconds(1),
            longest_wait: seconds(longest),
            forgiven_every: seconds(forgiven),
        };
        Rules {
            known: rule(free.known, 60, 60),
            strange: rule(free.strange, 900, 900),
            strange_under_attack: Rule {
                free: 1,
                first_wait: seconds(60),
                ..rule(1, 900, 900)
            },
            account: Rule {
                first_wait: Duration::ZERO,
                ..rule(free.account, 0, 180)
            },
            address: rule(free.address, 60, 60),
            registrations: rule(free.registrations, 60, 60),
        }
    }
}

/// A try that was counted, and has its turn.
pub(crate) struct Attempt {
    guard: Guard,
    /// The right to hash.
    pub(crate) turn: Turn,
    /// What is given back if it was right.
    charges: Vec<Charge>,
    /// Account, and account with address; none of a registration.
    who: Option<Who>,
}

/// Somebody who tries the password of an account.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    pub(crate) account: Digest,
    /// Account with address, where that is strange.
    pub(crate) pair: Digest,
    /// The same where it is known: its tries weigh otherwise.
    pub(crate) known: Digest,
    address: Digest,
}

impl Guard {
    pub(crate) fn new(
        config: &Config,
        store: Store,
        passwords: Passwords,
        clock: Clock,
        metrics: &Metrics,
    ) -> anyhow::Result<Guard> {
        let (secret, _) = config.keys.secret_keys()?;
        let refused = IntCounterVec::new(
            Opts::new(
                "password_tries_refused_total",
                "Log-ins and registrations that were refused before a password was hashed, by the rule that refused them.",
            ),
            &["rule"],
        )?;
        for rule in ["account_and_address", "address", "registrations"] {
            refused.with_label_values(&[rule]);
        }
        metrics.register(refused.clone())?;
        Ok(Guard(Arc::new(Shared {
            store,
            passwords,
            clock,
            key: derive(secret, PURPOSE)?,
            rules: Rules::new(config.password_tries),
            refusals: Cache::new(REFUSALS_MAX),
            refused,
        })))
    }

    /// Lets somebody try the password of an account: at a log-in, or where a password is asked for again. `account` is the address
    /// that the account is found by, or what stands in its place.
    pub(crate) async fn try_password(&self, account: &str, from: IpAddr) -> Result<Attempt, Error> {
        let who = self.who(account, from);
        self.refused_lately(&who.pair)?;
        let subjects = [who.known, who.pair, who.account, who.address];
        let standing = self.0.store.tries_of(who.pair, subjects).await?;
        let rules = &self.0.rules;
        let (line, caller, charges) = if standing.is_known {
            let charge = Charge::new(who.known, rules.known, "account_and_address");
            (Line::KnownLogIn, who.pair, vec![charge])
        } else {
            let under_attack = standing
                .of(&who.account)
                .is_some_and(|tries| rules.account.counted(tries) >= u64::from(rules.account.free));
            let strange = if under_attack {
                rules.strange_under_attack
            } else {
                rules.strange
            };
            let charges = vec![
                Charge::new(who.pair, strange, "account_and_address"),
                Charge::new(who.account, rules.account, "account"),
                Charge::new(who.address, rules.address, "address"),
            ];
            (Line::LogIn, who.address, charges)
        };
        let now = self.0.clock.now();
        for charge in &charges {
            if let Some(wait) = charge.rule.wait(standing.of(&charge.subject), now) {
                return Err(self.refuse(charge.name, who.pair, wait));
            }
        }
        self.attempt(line, caller, charges, Some(who)).await
    }

    /// Lets somebody register. It counts against them only where the address is taken.
    pub(crate) async fn try_registration(&self, from: IpAddr) -> Result<Attempt, Error> {
        let subject = self.digest("registrations", &[&Subject::of(from).to_string()]);
        self.refused_lately(&subject)?;
        let charge = Charge::new(subject, self.0.rules.registrations, "registrations");
        let standing = self.0.store.tries_of(subject, [subject; 4]).await?;
        if let Some(wait) = charge.rule.wait(standing.of(&subject), self.0.clock.now()) {
            return Err(self.refuse(charge.name, subject, wait));
        }
        self.attempt(Line::Registration, subject, vec![charge], None)
            .await
    }

    /// Notes that an account was made from here: its owner is known there.
    pub(crate) async fn know(&self, account: &str, from: IpAddr) -> Result<(), Error> {
        let who = self.who(account, from);
        let now = self.0.clock.now();
        self.0.store.know_address(who.pair, who.account, now).await
    }

    /// Deletes what is forgiven, now and then, until `stop`.
    pub(crate) async fn prune(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PRUNE_EVERY) => {}
            }
            if let Err(error) = self.0.store.prune_tries(self.0.clock.now()).await {
                // The next round does it; whoever needs the database says what is wrong with it.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "tries that are forgiven could not be deleted"
                );
            }
        }
    }

    async fn attempt(
        &self,
        line: Line,
        caller: Digest,
        charges: Vec<Charge>,
        who: Option<Who>,
    ) -> Result<Attempt, Error> {
        let turn = self.0.passwords.turn(line, caller).await?;
        // Only who has a turn is counted: so no more of one caller are under way than can be hashed at once.
        match self.0.store.charge(&charges, self.0.clock.now()).await {
            Ok(()) => Ok(Attempt {
                guard: self.clone(),
                turn,
                charges,
                who,
            }),
            Err(NotCharged::Wait { rule, wait }) => {
                let remembered = who.map_or(caller, |who| who.pair);
                Err(self.refuse(rule, remembered, wait))
            }
            Err(NotCharged::Failed(error)) => Err(error),
        }
    }

    fn who(&self, account: &str, from: IpAddr) -> Who {
        let address = Subject::of(from).to_string();
        Who {
            account: self.digest("account", &[account]),
            pair: self.digest("account and address", &[account, &address]),
            known: self.digest("account and known address", &[account, &address]),
            address: self.digest("address", &[&address]),
        }
    }

    fn digest(&self, kind: &str, parts: &[&str]) -> Digest {
        let mut fields = vec![kind.as_bytes()];
        fields.extend(parts.iter().map(|part| part.as_bytes()));
        hmac_of(&self.0.key, &fields)
    }

    fn refused_lately(&self, subject: &Digest) -> Result<(), Error> {
        let now = self.0.clock.now();
        match self.0.refusals.get(subject) {
            Some(refusal) if now < refusal.remembered_until => {
                let left = refusal.open_at.micros().saturating_sub(now.micros());
                self.0.refused.with_label_values(&[refusal.rule]).inc();
                let wait = Duration::from_micros(u64::try_from(left).unwrap_or(0));
                Err(Error::TooManyTries(wait))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, rule: &'static str, subject: Digest, wait: Duration) -> Error {
        self.0.refused.with_label_values(&[rule]).inc();
        let now = self.0.clock.now();
        let refusal = Refusal {
            rule,
            open_at: now.plus(wait),
            remembered_until: now.plus(wait.min(REFUSAL_REMEMBERED)),
        };
        self.0.refusals.insert(subject, refusal);
        Error::TooManyTries(wait)
    }
}

impl Attempt {
    /// Gives the try back: the password was right. From now on the account is known at this address.
    pub(crate) async fn was_right(self) -> Result<(), Error> {
        let shared = &self.guard.0;
        let now = shared.clock.now();
        shared.store.give_back(&self.charges, self.who, now).await
    }
}
