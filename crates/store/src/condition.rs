//! The condition of a database, as its last uses tell: it decides readiness, and what is logged of an outage.
//!
//! What must hold: an outage is told once when it begins, once a minute while it lasts, and once when it is over, however many
//! requests meet it; and a database that could not be written counts as such until a write came through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::{Fault, Unusable, cause};

/// The interval at which an outage that lasts is told again.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);
/// The time that after the last failed write a success counts as the end: on a full disk a small one may still find room.
const QUIET_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The condition of one database. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Condition(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The database's name in the log, such as `PostgreSQL at db:5432, database "wallet"`.
    name: String,
    is_well: AtomicBool,
    outage: Mutex<Option<Outage>>,
}

#[derive(Debug)]
struct Outage {
    fault: Fault,
    since: Instant,
    last_failure: Instant,
    told: Instant,
    failures: u64,
}

impl Condition {
    pub(crate) fn new(name: String) -> Condition {
        Condition(Arc::new(Shared {
            name,
            is_well: AtomicBool::new(true),
            outage: Mutex::new(None),
        }))
    }

    /// The fault that lasts now, as far as is known.
    pub fn fault(&self) -> Option<Fault> {
        if self.0.is_well.load(Ordering::Relaxed) {
            return None;
        }
        self.outage().as_ref().map(|outage| outage.fault)
    }

    /// A statement failed. What is no outage is left to whoever made the statement.
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        let fault = Fault::of(error);
        if fault.is_outage() {
            self.begin(fault, || format!("{}: {}", self.0.name, cause(error)));
        }
    }

    /// It cannot be used, as a look at it told.
    pub(crate) fn is_unusable(&self, unusable: &Unusable) {
        self.begin(unusable.fault, || unusable.sentence.clone());
    }

    fn begin(&self, fault: Fault, why: impl Fn() -> String) {
        let now = Instant::now();
        let mut outage = self.outage();
        self.0.is_well.store(false, Ordering::Relaxed);
        match &mut *outage {
            Some(outage) if outage.fault == fault => {
                outage.failures = outage.failures.saturating_add(1);
                outage.last_failure = now;
                if outage.told.elapsed() >= SUMMARY_EVERY {
                    outage.told = now;
                    let lasts_s = outage.since.elapsed().as_secs();
                    let failures = outage.failures;
                    tracing::warn!(lasts_s, failures, "{}, still: {}", said(fault), why());
                }
            }
            other => {
                tracing::warn!("{}: {}", said(fault), why());
                *other = Some(Outage {
                    fault,
                    since: other.as_ref().map_or(now, |before| before.since),
                    last_failure: now,
                    told: now,
                    failures: 1,
                });
            }
        }
    }

    /// It answered.
    pub(crate) fn answered(&self) {
        self.end(|outage| !outage.fault.is_of_writes());
    }

    /// It was written, durably.
    pub(crate) fn written(&self) {
        self.end(|outage| {
            !outage.fault.is_of_writes() || outage.last_failure.elapsed() >= QUIET_AFTER_FAILURE
        });
    }

    fn end(&self, is_over: impl Fn(&Outage) -> bool) {
        if self.0.is_well.load(Ordering::Relaxed) {
            return;
        }
        let mut outage = self.outage();
        if let Some(over) = outage.take_if(|outage| is_over(outage)) {
            self.0.is_well.store(true, Ordering::Relaxed);
            let lasted_s = over.since.elapsed().as_secs();
            let failures = over.failures;
            tracing::info!(
                lasted_s,
                failures,
                "the database serves again: {}",
                self.0.name
            );
        }
    }

    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.0.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a log line about it.
fn said(fault: Fault) -> &'static str {
    match fault {
        Fault::Away | Fault::Crowded | Fault::Busy => "waiting for the database",
        Fault::Full => "the disk is full",
        Fault::ReadOnly => "the database is read-only",
        Fault::Unwritable => "the database cannot be written",
        Fault::Unfit => "the database cannot be used",
        Fault::Value | Fault::Other => "the database failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Unusable {
        Unusable {
            fault: Fault::Full,
            sentence: "no room".to_owned(),
            passes: false,
        }
    }

    #[test]
    fn a_read_does_not_end_what_concerns_writes_and_a_write_does_not_right_after_a_failure() {
        let condition = Condition::new("a database".to_owned());
        assert_eq!(condition.fault(), None);
        condition.is_unusable(&full());
        condition.answered();
        condition.written();
        assert_eq!(condition.fault(), Some(Fault::Full));
        if let Some(outage) = &mut *condition.outage() {
            outage.last_failure = Instant::now()
                .checked_sub(QUIET_AFTER_FAILURE)
                .unwrap_or_else(Instant::now);
        }
        condition.answered();
        assert_eq!(condition.fault(), Some(Fault::Full));
        condition.written();
        assert_eq!(condition.fault(), None);
    }

    #[test]
    fn a_database_that_was_away_is_back_with_the_first_answer() {
        let condition = Condition::new("a database".to_owned());
        condition.failed(&sqlx::Error::PoolTimedOut);
        assert_eq!(condition.fault(), Some(Fault::Away));
        condition.answered();
        assert_eq!(condition.fault(), None);
    }

    #[test]
    fn a_failure_of_one_request_is_no_outage() {
        let condition = Condition::new("a database".to_owned());
        condition.failed(&sqlx::Error::RowNotFound);
        assert_eq!(condition.fault(), None);
    }
}
