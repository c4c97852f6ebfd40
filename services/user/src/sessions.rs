//! Sessions: signs their tokens, ends them, and tells everyone who verifies tokens which have ended.
//!
//! This service verifies like all others, fed from its own database: at once with what this process revokes, and every
//! quarter of a second with what other replicas do. What must hold: before it has read every revocation there is, it
//! accepts no token at all.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use auth::{
    Caller, Claims, EndedSessions, Revocation, RevokedSubject, Role, SessionUpdate, SigningKeys,
    TOKEN_LIFETIME, UserId, Verifier,
};
use clock::{Clock, Entropy, Timestamp};
use http_server::Metrics;
use prometheus::{IntCounter, IntGauge};
use telemetry::{Needed, Trace};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use user_api::SESSIONS_PAGE_MAX;
use uuid::Uuid;

use crate::audit::{Act, Audit, Kind};
use crate::error::Error;
use crate::store::{End, NewSession, OpenSession, Store, Which};

const FOLLOW_EVERY: Duration = Duration::from_millis(250);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// A revocation outlives the tokens that it concerns by this: a log-in that was under way may sign one a little later, and a clock that
/// is a day off, behind when it is written or ahead when it is looked at, must not bring a token back.
const REVOCATION_MARGIN: Duration = Duration::from_secs(25 * 3600);

/// The longest that is kept of what a client calls itself.
const USER_AGENT_CHARS_MAX: usize = 200;

/// A session that has begun, or is taken up again.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) began_at: Timestamp,
}

/// Where a request comes from: what the owner of a session recognises it by, and where an act is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) user_agent: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) trace_id: Option<String>,
}

impl Client {
    /// A client that calls itself so, without what nobody can see, and not at any length.
    pub(crate) fn new(user_agent: Option<&str>, address: Option<String>) -> Client {
        let seen = |text: &str| -> String {
            let visible = text.chars().filter(|c| !c.is_control());
            visible.take(USER_AGENT_CHARS_MAX).collect()
        };
        Client {
            user_agent: user_agent.map(seen).filter(|text| !text.trim().is_empty()),
            address,
            trace_id: Trace::of(&Span::current()).map(|trace| trace.id()),
        }
    }

    /// The address that tries of a password are counted by; all whose address is not known are one.
    pub(crate) fn ip(&self) -> IpAddr {
        let address = self.address.as_deref().and_then(|text| text.parse().ok());
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Session {
    /// The row to be kept of it.
    pub(crate) fn row<'a>(&'a self, client: &'a Client) -> NewSession<'a> {
        NewSession {
            id: &self.id,
            at: self.began_at,
            expires_at: self.began_at.plus(TOKEN_LIFETIME).seconds(),
            user_agent: client.user_agent.as_deref(),
            address: client.address.as_deref(),
        }
    }
}

/// Signs, ends, follows.
pub(crate) struct Sessions {
    store: Store,
    keys: SigningKeys,
    verifier: Verifier,
    clock: Clock,
    entropy: Entropy,
    /// The number of the last revocation that the verifier has.
    cursor: AtomicI64,
    /// When the last token ends that this process signed, in seconds since 1970.
    last_end: AtomicI64,
    revoked: IntCounter,
    records: IntGauge,
    audit: Audit,
}

impl Sessions {
    pub(crate) fn new(
        store: Store,
        keys: SigningKeys,
        verifier: Verifier,
        clock: Clock,
        entropy: Entropy,
        audit: Audit,
        metrics: &Metrics,
    ) -> anyhow::Result<Sessions> {
        let revoked = IntCounter::new(
            "revocations_total",
            "Sessions that were ended, and users that were deleted, by this process.",
        )?;
        metrics.register(revoked.clone())?;
        let records = IntGauge::new(
            "revocation_records",
            "Records of sessions that are over, which this process keeps: at most one a user.",
        )?;
        metrics.register(records.clone())?;
        Ok(Sessions {
            store,
            keys,
            verifier,
            clock,
            entropy,
            cursor: AtomicI64::new(0),
            last_end: AtomicI64::new(0),
            revoked,
            records,
            audit,
        })
    }

    /// A new session, as of now.
    pub(crate) fn begin(&self) -> Session {
        Session {
            id: Uuid::from_bytes(self.entropy.bytes16())
                .simple()
                .to_string(),
            began_at: self.clock.now(),
        }
    }

    /// The session's token. The same session has the same token, as long as the key stays.
    pub(crate) fn token(
        &self,
        session: &Session,
        number: i64,
        user_id: i64,
        role: Role,
    ) -> Result<String, Error> {
        let mut claims = Claims::new(UserId(user_id), role, session.id.clone(), session.began_at);
        claims.num = number;
        self.last_end.fetch_max(claims.exp, Ordering::SeqCst);
        self.keys
            .sign(&claims)
            .map_err(|_| Error::Internal("a token could not be signed"))
    }

    /// Ends the session of a token.
    pub(crate) async fn log_out(&self, caller: &Caller, client: &Client) -> Result<(), Error> {
        let (user_id, session) = (caller.user_id.0, caller.session.as_str());
        let act = self.act_on_session(Kind::LogOut, caller, user_id, session, client);
        let token_end = caller.expires_at;
        if self
            .end(user_id, Which::One(session), token_end, &act)
            .await?
        {
            return Ok(());
        }
        let expires_at = with_margin(token_end);
        self.store
            .end_unknown_session(session, expires_at, &act)
            .await?;
        self.lock_out(RevokedSubject::Session(session.to_owned()), expires_at);
        self.audit.tell(&act);
        Ok(())
    }

    fn act_on_session(
        &self,
        kind: Kind,
        caller: &Caller,
        user_id: i64,
        session: &str,
        client: &Client,
    ) -> Act {
        let now = self.clock.now();
        let act = Act::on_user(kind, caller.into(), user_id, client, now);
        act.because(format!("session {session}"))
    }

    /// Ends sessions of a user because somebody asks, here at once. `false` if there is no such user, or no such session.
    pub(crate) async fn end_for(
        &self,
        caller: &Caller,
        user_id: i64,
        which: Which<'_>,
        client: &Client,
    ) -> Result<bool, Error> {
        let act = match which {
            Which::One(session) => {
                self.act_on_session(Kind::EndSessions, caller, user_id, session, client)
            }
            Which::All | Which::AllBut(_) => {
                let now = self.clock.now();
                Act::on_user(Kind::EndSessions, caller.into(), user_id, client, now)
            }
        };
        self.end(user_id, which, caller.expires_at, &act).await
    }

    /// `token_end` is when the token of whoever asks ends, in seconds since 1970.
    async fn end(
        &self,
        user_id: i64,
        which: Which<'_>,
        token_end: i64,
        act: &Act,
    ) -> Result<bool, Error> {
        let end = self.end_now(token_end);
        let ended = self.store.end_sessions(user_id, which, end, act).await?;
        let is_done = ended.is_some();
        if let Some(ended) = ended {
            self.take_in(ended);
            self.audit.tell(act);
        }
        Ok(is_done)
    }

    /// The moment now, as that of an end of sessions.
    pub(crate) fn end_now(&self, token_end: i64) -> End {
        End {
            at: self.clock.now(),
            expires_at: self.refuse_until(token_end),
        }
    }

    /// The sessions of a user that go on, the newest first.
    pub(crate) async fn open(&self, user_id: i64) -> Result<Vec<OpenSession>, Error> {
        let now_s = self.clock.now().seconds();
        self.store.open_sessions(user_id, now_s).await
    }

    /// Refuses in this process at once what was written down as over.
    pub(crate) fn take_in(&self, ended: EndedSessions) {
        self.revoked.inc();
        self.feed(Vec::new(), vec![ended], self.cursor.load(Ordering::SeqCst));
    }

    /// Until when tokens that end now must be refused, in seconds since 1970. The clock of the moment may be behind that of their log-in:
    /// tokens that are known say themselves when they end. `token_end` is that of whoever asks.
    pub(crate) fn refuse_until(&self, token_end: i64) -> i64 {
        let by_the_clock = self.clock.now().plus(TOKEN_LIFETIME).seconds();
        let signed = self.last_end.load(Ordering::SeqCst);
        with_margin(by_the_clock.max(signed).max(token_end))
    }

    /// Refuses the subject in this process at once, after it was written down.
    pub(crate) fn lock_out(&self, subject: RevokedSubject, expires_at: i64) {
        self.revoked.inc();
        let revocation = Revocation {
            subject,
            expires_at,
        };
        let cursor = self.cursor.load(Ordering::SeqCst);
        self.feed(vec![revocation], Vec::new(), cursor);
    }

    /// The revocations after `after`, for the services that follow.
    pub(crate) async fn update_after(&self, after: i64) -> Result<SessionUpdate, Error> {
        let now_s = self.clock.now().seconds();
        let revoked = self
            .store
            .revoked_after(after, now_s, SESSIONS_PAGE_MAX)
            .await?;
        Ok(SessionUpdate {
            jwks: self.keys.jwks().clone(),
            cursor: revoked.cursor,
            revocations: revoked.revocations,
            ended: revoked.ended,
        })
    }

    /// Hands the verifier everything that it has not seen.
    pub(crate) async fn catch_up(&self) -> Result<(), Error> {
        let now_s = self.clock.now().seconds();
        let mut cursor = self.cursor.load(Ordering::SeqCst);
        let (mut revocations, mut ended) = (Vec::new(), Vec::new());
        loop {
            let page = self
                .store
                .revoked_after(cursor, now_s, SESSIONS_PAGE_MAX)
                .await?;
            let items = page.revocations.len().saturating_add(page.ended.len());
            let is_last = items < SESSIONS_PAGE_MAX;
            cursor = page.cursor;
            revocations.extend(page.revocations);
            ended.extend(page.ended);
            if is_last {
                break;
            }
        }
        self.cursor.store(cursor, Ordering::SeqCst);
        self.feed(revocations, ended, cursor);
        Ok(())
    }

    fn feed(&self, revocations: Vec<Revocation>, ended: Vec<EndedSessions>, cursor: i64) {
        self.verifier.update(SessionUpdate {
            jwks: self.keys.jwks().clone(),
            cursor,
            revocations,
            ended,
        });
        let records = self.verifier.records();
        self.records.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Keeps the verifier up to date, and forgets what no token can need any more, until `stop`.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        let mut follow = tokio::time::interval(FOLLOW_EVERY);
        let mut prune = tokio::time::interval(PRUNE_EVERY);
        follow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut database = Needed::new("the list of ended sessions");
        loop {
            let result = tokio::select! {
                () = stop.cancelled() => return,
                _ = follow.tick() => self.catch_up().await,
                _ = prune.tick() => self.prune().await,
            };
            match result {
                Ok(()) => database.is_there(),
                // What is known stays in force meanwhile.
                Err(error) => database.is_away(&error),
            }
        }
    }

    async fn prune(&self) -> Result<(), Error> {
        let now_s = self.clock.now().seconds();
        let pruned = self.store.prune_sessions(now_s).await?;
        tracing::debug!(pruned, "expired sessions and revocations are forgotten");
        Ok(())
    }

    /// The public keys, as every service may read them.
    pub(crate) fn jwks(&self) -> &auth::Jwks {
        self.keys.jwks()
    }
}

fn with_margin(token_end: i64) -> i64 {
    token_end.saturating_add(REVOCATION_MARGIN.as_secs().cast_signed())
}
