//! Who did what to which account: a row that stays, a figure, and a line in the log.
//!
//! What must hold: an act of this service and its row are one transaction; no row has a password, a token or an address of mail in it; and
//! that a refusal could not be written down does not turn it into something else.

use std::time::Duration;

use auth::{Caller, Role};
use clock::{Clock, Timestamp};
use http_server::Metrics;
use prometheus::{IntCounterVec, Opts};
use telemetry::Needed;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::sessions::Client;
use crate::store::Store;

const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Everything that is written down. The words are part of the API: none is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    LogIn,
    LogOut,
    ChangePassword,
    EndSessions,
    UpdateUser,
    DeleteUser,
    SuspendUser,
    ActivateUser,
    MakeAdmin,
    SetAdminPassword,
    FreezeWallet,
    ActivateWallet,
}

impl Kind {
    pub(crate) const ALL: [Kind; 13] = [
        Kind::Register,
        Kind::LogIn,
        Kind::LogOut,
        Kind::ChangePassword,
        Kind::EndSessions,
        Kind::UpdateUser,
        Kind::DeleteUser,
        Kind::SuspendUser,
        Kind::ActivateUser,
        Kind::MakeAdmin,
        Kind::SetAdminPassword,
        Kind::FreezeWallet,
        Kind::ActivateWallet,
    ];

    /// The word in the database and in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::LogIn => "log_in",
            Kind::LogOut => "log_out",
            Kind::ChangePassword => "change_password",
            Kind::EndSessions => "end_sessions",
            Kind::UpdateUser => "update_user",
            Kind::DeleteUser => "delete_user",
            Kind::SuspendUser => "suspend_user",
            Kind::ActivateUser => "activate_user",
            Kind::MakeAdmin => "make_admin",
            Kind::SetAdminPassword => "set_admin_password",
            Kind::FreezeWallet => "freeze_wallet",
            Kind::ActivateWallet => "activate_wallet",
        }
    }

    /// The kind with this word.
    pub(crate) fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Whoever acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A user, in the role of their token.
    User(i64, Role),
    /// This service by itself: its configuration says so.
    Service,
    /// Nobody knows.
    Nobody,
}

impl Actor {
    pub(crate) fn id(self) -> Option<i64> {
        match self {
            Actor::User(id, _) => Some(id),
            Actor::Service | Actor::Nobody => None,
        }
    }

    pub(crate) fn role(self) -> &'static str {
        match self {
            Actor::User(_, Role::Admin) => "admin",
            Actor::User(_, Role::User) => "user",
            Actor::Service => "service",
            Actor::Nobody => "nobody",
        }
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Actor {
        Actor::User(caller.user_id.0, caller.role)
    }
}

/// One act.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) kind: Kind,
    pub(crate) actor: Actor,
    /// The kind of thing that it is done to.
    pub(crate) object_kind: &'static str,
    pub(crate) object_id: Option<String>,
    pub(crate) is_refused: bool,
    /// What whoever acts says about it.
    pub(crate) reason: Option<String>,
    pub(crate) client: Client,
    pub(crate) at: Timestamp,
}

impl Act {
    /// Something that is done to a user.
    pub(crate) fn on_user(
        kind: Kind,
        actor: Actor,
        user_id: i64,
        client: &Client,
        at: Timestamp,
    ) -> Act {
        Act {
            kind,
            actor,
            object_kind: "user",
            object_id: Some(user_id.to_string()),
            is_refused: false,
            reason: None,
            client: client.clone(),
            at,
        }
    }

    /// The same, refused.
    pub(crate) fn refused(mut self) -> Act {
        self.is_refused = true;
        self
    }

    /// The same, with what was said about it.
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Act {
        self.reason = Some(reason.into());
        self
    }

    pub(crate) fn result(&self) -> &'static str {
        if self.is_refused { "refused" } else { "done" }
    }
}

/// Counts and tells what was done. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    store: Store,
    acts: IntCounterVec,
}

impl Audit {
    pub(crate) fn new(store: Store, metrics: &Metrics) -> anyhow::Result<Audit> {
        let acts = IntCounterVec::new(
            Opts::new(
                "account_acts_total",
                "Acts on accounts that this process wrote into the audit log.",
            ),
            &["act", "result"],
        )?;
        // A rate of something that was never there is none, so failed log-ins begin at 0.
        for result in ["done", "refused"] {
            acts.with_label_values(&[Kind::LogIn.word(), result]);
        }
        metrics.register(acts.clone())?;
        Ok(Audit { store, acts })
    }

    /// Counts and tells an act that was written down with what it did.
    pub(crate) fn tell(&self, act: &Act) {
        let (word, result) = (act.kind.word(), act.result());
        self.acts.with_label_values(&[word, result]).inc();
        tracing::info!(
            act = word,
            result,
            actor_id = act.actor.id(),
            actor_role = act.actor.role(),
            object_kind = act.object_kind,
            object_id = act.object_id.as_deref(),
            address = act.client.address.as_deref(),
            "an act on an account"
        );
    }

    /// Writes down an act that changed nothing here, and tells it.
    pub(crate) async fn note(&self, act: &Act) -> Result<(), Error> {
        self.store.write_act(act).await?;
        self.tell(act);
        Ok(())
    }

    /// Forgets what is older than `retention`, until `stop`.
    pub(crate) async fn forget(&self, clock: Clock, retention: Duration, stop: CancellationToken) {
        let mut every = tokio::time::interval(FORGET_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut database = Needed::new("the audit log");
        let retention_us = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let until = clock.now().micros().saturating_sub(retention_us);
            match self.store.forget_acts(Timestamp::from_micros(until)).await {
                Ok(forgotten) => {
                    database.is_there();
                    tracing::debug!(forgotten, "old acts are forgotten");
                }
                Err(error) => database.is_away(&error),
            }
        }
    }

    /// Writes down that something was refused. The refusal stands, whether that can be done or not.
    pub(crate) async fn note_refusal(&self, act: &Act) {
        if let Err(error) = self.note(act).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                act = act.kind.word(),
                "a refusal could not be written into the audit log"
            );
        }
    }
}
