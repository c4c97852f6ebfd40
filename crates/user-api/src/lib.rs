//! The user service, as other services see it: who exists, which keys sign tokens, which sessions are over.

use std::time::Duration;

use auth::{SessionUpdate, Verifier};
use serde::{Deserialize, Serialize};
use service_client::{CallError, ServiceClient};
use telemetry::Needed;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The name of the service behind this client.
pub const SERVICE: &str = "user-service";

/// The interval at which sessions are asked for. A deleted user is locked out everywhere within two seconds; this leaves room for a
/// call that has to be repeated.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// The time that one such call may take.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest number of revocations in one answer: 400 kilobytes, and 7 megabytes where each user has kept as many sessions as anybody
/// may have. One that has fewer has all there are.
pub const SESSIONS_PAGE_MAX: usize = 4_000;

/// A user, as far as another service needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownUser {
    /// The user's id.
    pub id: i64,
    /// The name, for descriptions.
    pub name: String,
}

/// The ledger that the users belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belonging {
    /// The ledger's id; `None` where none was met yet.
    pub ledger: Option<Uuid>,
    /// The highest id that somebody has.
    pub highest: i64,
}

/// The updates of the sessions that are asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionsQuery {
    /// The cursor of the update before; 0 for everything.
    pub after: i64,
}

/// Something that an administrator did to a wallet, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletAct {
    /// The ledger's key of the order: who tells twice is heard once.
    pub key: Uuid,
    /// The administrator.
    pub actor_id: i64,
    /// The wallet.
    pub wallet_id: i64,
    /// True if it was frozen, false if it was made active.
    pub is_frozen: bool,
    /// What the administrator says about it.
    pub reason: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}

/// An answer that says only that it was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Noted {}

/// Talks to the user service.
#[derive(Clone)]
pub struct UserClient {
    http: ServiceClient,
}

impl UserClient {
    /// A client over `http`.
    pub fn new(http: ServiceClient) -> UserClient {
        UserClient { http }
    }

    /// The user with this id; `None` when there is none, or it was deleted.
    pub async fn find(&self, user_id: i64) -> Result<Option<KnownUser>, CallError> {
        match self
            .http
            .get(&format!("/internal/users/{user_id}"), &())
            .await
        {
            Err(CallError::Refused { status, .. }) if status.as_u16() == 404 => Ok(None),
            other => other.map(Some),
        }
    }

    /// The ledger that the users belong to.
    pub async fn belonging(&self) -> Result<Belonging, CallError> {
        self.http.get("/internal/belonging", &()).await
    }

    /// Has an act on a wallet written into the audit log.
    pub async fn note(&self, act: &WalletAct) -> Result<(), CallError> {
        let noted = self.http.post_repeatable::<Noted>("/internal/audit", act);
        noted.await.map(drop)
    }

    /// Keys, and what was revoked after `after`.
    pub async fn sessions(&self, after: i64) -> Result<SessionUpdate, CallError> {
        self.http
            .get("/internal/sessions", &SessionsQuery { after })
            .await
    }

    /// Keeps `verifier` up to date until `stop`. While the user service cannot be reached, what is known stays in force.
    pub async fn follow_sessions(self, verifier: Verifier, stop: CancellationToken) {
        let mut cursor = 0;
        let mut every = tokio::time::interval(FOLLOW_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut user_service = Needed::new("the user service");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            match self.all_sessions(cursor).await {
                Ok(update) => {
                    cursor = update.cursor;
                    verifier.update(update);
                    user_service.is_there();
                }
                // What is known stays in force meanwhile.
                Err(error) => user_service.is_away(&error),
            }
        }
    }

    /// Keys, and everything that was revoked after `after`, in one: a service that starts must not accept tokens by the keys
    /// before it knows which are revoked.
    async fn all_sessions(&self, after: i64) -> Result<SessionUpdate, CallError> {
        let mut all = SessionUpdate {
            cursor: after,
            ..SessionUpdate::default()
        };
        loop {
            let page = tokio::time::timeout(FOLLOW_TIMEOUT, self.sessions(all.cursor))
                .await
                .map_err(|_| CallError::Timeout { service: SERVICE })??;
            let is_last = page.len() < SESSIONS_PAGE_MAX;
            all.jwks = page.jwks;
            all.cursor = page.cursor;
            all.revocations.extend(page.revocations);
            all.ended.extend(page.ended);
            if is_last {
                return Ok(all);
            }
        }
    }
}
