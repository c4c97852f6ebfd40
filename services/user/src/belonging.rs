//! Which ledger the users belong to. Money belongs to the number of a user, so a number must never come to stand for another person.
//!
//! The database keeps which ledger it belongs to, and what that looked like. Before anybody can register, and every few seconds
//! from then on, the ledger is asked: a database that belongs to another one, is older than the users that the ledger knows, or is
//! empty beside them, makes the service not ready, with a sentence, until the right database is back or an operator has given the
//! lost users up. In the other direction the ledger is told how far ids have come, so that it knows also of those who never had a
//! wallet. What must hold: an id that the ledger knows is never given again, and nothing is made anew (demo users, an
//! administrator) before the database is known to belong.
//!
//! A service that has not been told since it started where it belongs lets nobody in: a token that it gave could open the wallets of
//! somebody else. The ledger may itself wait for this service's keys, which only a ready service is asked for: after a while the service
//! is ready without it, and gives out nothing else.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use api_error::ApiError;
use http::StatusCode;
use http_server::Metrics;
use ledger_api::{LedgerClient, Mismatch, Position, Standing, UsersTold};
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::deletions::Deletions;
use crate::error::Error;
use crate::store::Store;

/// The time that one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which the ledger is told of new users.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The interval at which it is asked which one it is.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The time that a service that starts waits for the ledger before it is ready without it.
const READY_WITHOUT_AFTER: Duration = Duration::from_secs(5);
/// The time that a request waits for the first answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a users' database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Which ledger it belongs to, and what that looked like when it was last asked.
    pub position: Position,
    /// Up to which id users who are not there were given up by an operator.
    pub lost_up_to: i64,
    /// The highest id that somebody has or had.
    pub highest: i64,
}

/// Why a users' database does not go with a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It belongs to another ledger, or to another state of it.
    #[error(
        "the users' database does not go with the ledger: {0} (docs/OPERATIONS.md, After a restore)"
    )]
    Ledger(Mismatch),
    /// There is nobody.
    #[error(
        "the users' database is empty, and the ledger knows users up to {known} (docs/OPERATIONS.md, After a restore)"
    )]
    Empty {
        /// The highest id that the ledger knows.
        known: i64,
    },
    /// Users are missing.
    #[error(
        "the users' database is older than the ledger: it has users up to {highest}, and the ledger knows them up to {known} (docs/OPERATIONS.md, After a restore)"
    )]
    Older {
        /// The highest id that is there.
        highest: i64,
        /// The highest id that the ledger knows.
        known: i64,
    },
}

/// Returns whether users and ledger belong together. `demo_data`: an empty database beside a ledger that has demo data, and that no user
/// service has ever told of anybody, is a first start.
pub fn judge(own: &Own, there: &Standing, demo_data: bool) -> Result<(), Foreign> {
    own.position
        .belongs_to(&there.seen())
        .map_err(Foreign::Ledger)?;
    let known = there.highest_known();
    let (highest, lost) = (own.highest, own.lost_up_to);
    if known <= highest.max(lost) {
        return Ok(());
    }
    if highest > 0 {
        return Err(Foreign::Older { highest, known });
    }
    let is_first_start = demo_data
        && own.position.ledger.is_none()
        && there.is_demo
        && there.highest_told == 0
        && known <= DEMO_USERS;
    if is_first_start {
        return Ok(());
    }
    Err(Foreign::Empty { known })
}

/// The number of demo users.
const DEMO_USERS: i64 = 3;

#[derive(Clone, Copy, Debug)]
enum State {
    /// The ledger was not asked yet.
    Unasked,
    /// It did not answer, since then.
    Unreached(Instant),
    /// It is the right one, and what the first start makes is there.
    Belongs,
    /// It is not the right one; and since when it did not answer again.
    Foreign(Foreign, Option<Instant>),
}

/// Asks and tells the ledger, and knows what may be done meanwhile.
pub(crate) struct Belonging {
    store: Store,
    ledger: LedgerClient,
    deletions: Deletions,
    demo_data: bool,
    state: watch::Sender<State>,
    /// Where the ledger was when the users were last seen with it. A database that is further back has been put in its place since.
    seen: AtomicI64,
    /// The highest id that the ledger knew when it was last asked: every new one is larger.
    known: AtomicI64,
    /// The highest id that was given.
    given: AtomicI64,
    mismatch: IntGauge,
}

impl Belonging {
    pub(crate) fn new(
        deletions: Deletions,
        demo_data: bool,
        metrics: &Metrics,
    ) -> anyhow::Result<Belonging> {
        let mismatch = IntGauge::new(
            "users_ledger_mismatch",
            "1 while the users' database does not go with the ledger, and nobody is let in.",
        )?;
        metrics.register(mismatch.clone())?;
        Ok(Belonging {
            store: deletions.store.clone(),
            ledger: deletions.ledger.clone(),
            deletions,
            demo_data,
            state: watch::Sender::new(State::Unasked),
            seen: AtomicI64::new(i64::MAX),
            known: AtomicI64::new(0),
            given: AtomicI64::new(0),
            mismatch,
        })
    }

    /// Asks the ledger once. When this returns well, the database belongs to it, and no id that it knows will be given. Gives the
    /// highest id that the ledger has been told of.
    pub(crate) async fn ask(&self) -> Result<i64, Error> {
        let position = self.store.own().await?.position;
        let answer = tokio::time::timeout(ASK_TIMEOUT, self.ledger.standing(position.seq)).await;
        let there = match answer {
            Ok(Ok(there)) => there,
            Ok(Err(error)) => return Err(self.not_reached(error.to_string())),
            Err(_) => return Err(self.not_reached("no answer in time".to_owned())),
        };
        // Whoever the ledger knew then was here before: read after it.
        let own = Own {
            position,
            ..self.store.own().await?
        };
        if let Err(foreign) = judge(&own, &there, self.demo_data) {
            self.refuse(foreign);
            return Err(Error::Foreign(foreign));
        }
        let known = there.highest_known().max(own.lost_up_to);
        self.store.raise_ids_above(known).await?;
        self.known.fetch_max(known, Ordering::SeqCst);
        self.given.fetch_max(own.highest, Ordering::SeqCst);
        let position = Position {
            seq: there.head,
            ledger: Some(there.ledger),
            mark: there.mark,
        };
        if own.position.seq < self.seen.load(Ordering::SeqCst) {
            match self.deletions.repeat().await {
                Err(Error::LedgerAway(why)) => return Err(self.not_reached(why)),
                result => result?,
            }
        }
        if position != own.position {
            self.store.advance(&position).await?;
        }
        self.seen.store(position.seq, Ordering::SeqCst);
        if own.highest <= there.highest_told {
            return Ok(there.highest_told);
        }
        // A ledger that cannot take note of it, such as one whose disk is full, is told again: what is known of it is enough to go on.
        match self.tell(there.ledger, own.highest).await {
            Ok(()) => Ok(own.highest),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "the ledger was not told of new users");
                Ok(there.highest_told)
            }
        }
    }

    async fn tell(&self, ledger: ledger_api::Uuid, highest: i64) -> Result<(), Error> {
        let told = UsersTold { ledger, highest };
        let answer = tokio::time::timeout(ASK_TIMEOUT, self.ledger.tell_users(&told)).await;
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::LedgerAway(error.to_string())),
            Err(_) => Err(Error::LedgerAway("no answer in time".to_owned())),
        }
    }

    /// Opens the doors: the database belongs to the ledger, and what the first start makes is there.
    pub(crate) fn open(&self) {
        let before = self.state.send_replace(State::Belongs);
        self.mismatch.set(0);
        if matches!(before, State::Foreign(..)) {
            tracing::info!("the users' database goes with the ledger again");
        }
    }

    fn refuse(&self, foreign: Foreign) {
        self.seen.store(i64::MAX, Ordering::SeqCst);
        let before = self.state.send_replace(State::Foreign(foreign, None));
        self.mismatch.set(1);
        if !matches!(before, State::Foreign(before, _) if before == foreign) {
            tracing::error!(error = %foreign, "nobody is let in");
        }
    }

    /// Takes note of since when. What the ledger said before holds until it says otherwise.
    fn not_reached(&self, why: String) -> Error {
        self.state.send_modify(|state| {
            *state = match *state {
                State::Unasked => State::Unreached(Instant::now()),
                State::Foreign(foreign, None) => State::Foreign(foreign, Some(Instant::now())),
                as_it_is => as_it_is,
            };
        });
        Error::LedgerAway(why)
    }

    /// Tells the ledger of new users, and asks which one it is, until `stop`. Called when the doors are open.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        let mut every = tokio::time::interval(TELL_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut asked, mut told) = (Instant::now(), 0);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let given = self.given.load(Ordering::SeqCst);
            if given <= told && asked.elapsed() < ASK_EVERY && self.belongs() {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                result = self.ask() => match result {
                    Ok(highest_told) => {
                        self.open();
                        (asked, told) = (Instant::now(), highest_told);
                    }
                    // Said where it is found out; a ledger that is away for a while is told of by those who need it.
                    Err(Error::Foreign(_)) => {}
                    Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "the ledger was not asked"),
                },
            }
        }
    }

    /// The highest id that must not be given any more.
    pub(crate) fn known(&self) -> i64 {
        self.known.load(Ordering::SeqCst)
    }

    /// Somebody has this id now.
    pub(crate) fn gave(&self, id: i64) {
        self.given.fetch_max(id, Ordering::SeqCst);
    }

    /// Returns whether what is in the database may be acted on.
    pub(crate) fn belongs(&self) -> bool {
        matches!(*self.state.borrow(), State::Belongs)
    }

    /// Returns whether a request may be served; while the first answer is on its way it waits.
    pub(crate) async fn admit(&self) -> Result<(), ApiError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| match state {
            State::Unasked => false,
            State::Unreached(since) => since.elapsed() >= READY_WITHOUT_AFTER,
            State::Belongs | State::Foreign(..) => true,
        });
        // What has not come by then has not come.
        let _ = tokio::time::timeout(PATIENCE, settled).await;
        let state = *self.state.borrow();
        match state {
            State::Belongs => Ok(()),
            State::Unreached(_) => Err(ApiError::unavailable(
                "The ledger cannot be asked now whether these are its users; nobody is let in until it answers",
            )),
            State::Unasked => Err(ApiError::unavailable("The service is starting")),
            State::Foreign(..) => Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "ledger_mismatch",
            )
            .message("The users here do not go with the ledger; its operator is told")),
        }
    }

    /// For the probes.
    pub(crate) fn check(&self) -> Result<(), String> {
        match *self.state.borrow() {
            State::Belongs => Ok(()),
            State::Unasked => Err("the ledger was not asked yet".to_owned()),
            State::Unreached(since) if since.elapsed() < READY_WITHOUT_AFTER => {
                Err("the wallet service was not reached yet".to_owned())
            }
            // The ledger may be waiting for the keys, also the right one that is to take this one's place.
            State::Unreached(_) => Ok(()),
            State::Foreign(_, Some(since)) if since.elapsed() >= READY_WITHOUT_AFTER => Ok(()),
            State::Foreign(foreign, _) => Err(foreign.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_api::Uuid;

    use super::*;

    #[test]
    fn users_go_with_a_ledger_that_knows_no_other() {
        let one = Uuid::from_u128(1);
        let own = |ledger, highest, lost_up_to| Own {
            position: Position {
                ledger,
                ..Position::default()
            },
            lost_up_to,
            highest,
        };
        let there = |highest_user, highest_told, is_demo| Standing {
            ledger: one,
            head: 9,
            mark: None,
            mark_there: None,
            highest_user,
            highest_told,
            is_demo,
        };
        let judged = |own: Own, there: Standing| judge(&own, &there, true);
        assert_eq!(judged(own(Some(one), 5, 0), there(5, 4, true)), Ok(()));
        assert_eq!(
            judged(own(None, 5, 0), there(5, 0, true)),
            Ok(()),
            "upgraded"
        );
        let older = |highest, known| Err(Foreign::Older { highest, known });
        assert_eq!(judged(own(Some(one), 4, 0), there(5, 4, true)), older(4, 5));
        assert_eq!(judged(own(Some(one), 4, 0), there(3, 5, true)), older(4, 5));
        assert_eq!(
            judged(own(Some(one), 4, 5), there(5, 5, true)),
            Ok(()),
            "given up"
        );
        let empty = |known| Err(Foreign::Empty { known });
        assert_eq!(judged(own(None, 0, 0), there(5, 0, true)), empty(5));
        assert_eq!(judged(own(None, 0, 0), there(3, 3, true)), empty(3));
        assert_eq!(
            judged(own(None, 0, 0), there(3, 0, true)),
            Ok(()),
            "a first start"
        );
        assert_eq!(judged(own(None, 0, 0), there(3, 0, false)), empty(3));
        let other = Some(Uuid::from_u128(2));
        let mismatch = Err(Foreign::Ledger(Mismatch::OtherLedger));
        assert_eq!(judged(own(other, 5, 0), there(5, 5, true)), mismatch);
    }
}
