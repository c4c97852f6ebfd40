//! Hashes and checks passwords with argon2id (RFC 9106): slow and hungry for memory by design, so never on the runtime's
//! threads, only a few at once, and no more waiting than can be served soon.
//!
//! What must hold: an attempt for an unknown address runs the same hash as a wrong password; what does not fit in the queue is refused
//! at once instead of piling up; and neither one kind of work nor one caller keeps the others from their turn ([`crate::guard`] says
//! who is a caller).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
};
use clock::Entropy;
use http_server::Metrics;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts};
use tokio::sync::oneshot;

use crate::Config;
use crate::domain::Password;
use crate::error::Error;
use crate::guard::{Joined, Queue};

/// The number that may wait in each line for each one that is being hashed: about a second's worth.
const WAITING_PER_PLACE: usize = 32;

const DURATION_BUCKETS_S: &[f64] = &[0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28];

/// The result of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, but the hash was made at another cost than today's, or of the password as it was typed.
    RightButOutdated,
}

/// The kinds of work that wait apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Log-ins from an address that the account has been logged in from.
    KnownLogIn,
    /// Other log-ins.
    LogIn,
    Registration,
    /// Everything else that needs a password.
    Other,
}

const LINES: usize = 4;

impl Line {
    fn name(self) -> &'static str {
        match self {
            Line::KnownLogIn => "known_log_in",
            Line::LogIn => "log_in",
            Line::Registration => "registration",
            Line::Other => "other",
        }
    }

    fn index(self) -> usize {
        match self {
            Line::KnownLogIn => 0,
            Line::LogIn => 1,
            Line::Registration => 2,
            Line::Other => 3,
        }
    }
}

/// Whoever shares a place in a line.
pub(crate) type CallerKey = [u8; 32];

/// Hashes and checks. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<Shared>);

struct Shared {
    argon2: Argon2<'static>,
    entropy: Entropy,
    state: Mutex<State>,
    duration: Histogram,
    waiting: IntGauge,
    refused: IntCounterVec,
}

struct State {
    /// Places in which nobody hashes. While there is one, nobody waits.
    free: usize,
    queue: Queue<CallerKey, oneshot::Sender<Place>, LINES>,
}

/// The right to hash. Given on to the next when it is dropped.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let mut next = state.queue.next();
            while next.as_ref().is_some_and(oneshot::Sender::is_closed) {
                next = state.queue.next();
            }
            if next.is_none() {
                state.free = state.free.saturating_add(1);
            }
            next
        };
        if let Some(next) = next {
            // If that one has gone away this very moment, the place comes back and is given on again.
            let _ = next.send(Place(self.0.clone()));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one request: while it has it, it may hash.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Place>);

impl Passwords {
    pub(crate) fn new(
        config: &Config,
        entropy: Entropy,
        metrics: &Metrics,
    ) -> anyhow::Result<Passwords> {
        let params = Params::new(config.argon2_memory_kib, config.argon2_passes, 1, None)
            .map_err(|error| anyhow::anyhow!("ARGON2_MEMORY_KIB, ARGON2_PASSES: {error}"))?;
        let places = usize::from(config.max_password_hashes.max(1));
        let shared = Shared {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            entropy,
            state: Mutex::new(State {
                free: places,
                queue: Queue::new(places.saturating_mul(WAITING_PER_PLACE)),
            }),
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "password_hash_duration_seconds",
                    "Duration of hashing one password, without the wait before.",
                )
                .buckets(DURATION_BUCKETS_S.to_vec()),
            )?,
            waiting: IntGauge::new(
                "password_hashes_waiting",
                "Passwords that wait to be hashed.",
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "password_hashes_refused_total",
                    "Passwords that were refused because too many waited, by the line that they waited in.",
                ),
                &["line"],
            )?,
        };
        for line in [
            Line::KnownLogIn,
            Line::LogIn,
            Line::Registration,
            Line::Other,
        ] {
            shared.refused.with_label_values(&[line.name()]);
        }
        metrics.register(shared.duration.clone())?;
        metrics.register(shared.waiting.clone())?;
        metrics.register(shared.refused.clone())?;
        Ok(Passwords(Arc::new(shared)))
    }

    /// Waits for a turn in this line. Callers with one key share one place in it.
    pub(crate) async fn turn(&self, line: Line, caller: CallerKey) -> Result<Turn, Error> {
        let turn = {
            let mut state = self.0.state();
            if let Some(free) = state.free.checked_sub(1) {
                state.free = free;
                return Ok(Turn(Arc::new(Place(self.0.clone()))));
            }
            state
                .queue
                .retain(line.index(), |waiter| !waiter.is_closed());
            let (place, turn) = oneshot::channel();
            match state.queue.join(line.index(), caller, place) {
                Joined::Waits | Joined::Instead(_) => Some(turn),
                Joined::LineIsFull => None,
            }
        };
        let waiting = Waiting::new(&self.0.waiting);
        let place = match turn {
            Some(turn) => turn.await.ok(),
            None => None,
        };
        drop(waiting);
        let place = place.ok_or_else(|| {
            self.0.refused.with_label_values(&[line.name()]).inc();
            Error::Overloaded
        })?;
        Ok(Turn(Arc::new(place)))
    }

    /// The hash of a password, with a new salt, in PHC's text format.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        let turn = self.turn(Line::Other, CallerKey::default()).await?;
        turn.hash(password).await
    }

    /// Compares a password with a hash.
    pub(crate) async fn verify(&self, password: Password, hash: String) -> Result<Verdict, Error> {
        let turn = self.turn(Line::Other, CallerKey::default()).await?;
        turn.verify(password, Some(hash)).await
    }
}

impl Turn {
    /// The hash of a password, with a new salt, in PHC's text format.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        let salt = self.0.0.entropy.bytes16();
        self.run(move |argon2| {
            argon2
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(|_| Error::Internal("a password could not be hashed"))
        })
        .await?
    }

    /// Compares a password with a hash; without one it only takes as long, and is wrong.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<Verdict, Error> {
        self.run(move |argon2| match hash {
            Some(hash) => compare(argon2, &password, &hash),
            None => pretend(argon2, &password),
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.0.clone();
        tokio::task::spawn_blocking(move || {
            // The place is held until the work ends, also when the request that asked for it is gone.
            let shared = &place.0;
            let started = Instant::now();
            let result = work(&shared.argon2);
            shared.duration.observe(started.elapsed().as_secs_f64());
            result
        })
        .await
        .map_err(|_| Error::Internal("hashing a password panicked"))
    }
}

/// Takes as long as a wrong password.
fn pretend(argon2: &Argon2<'static>, password: &Password) -> Result<Verdict, Error> {
    for form in [Some(password.as_bytes()), password.as_typed()]
        .into_iter()
        .flatten()
    {
        argon2
            .hash_password_with_salt(form, &[0; 16])
            .map_err(|_| Error::Internal("a password could not be hashed"))?;
    }
    Ok(Verdict::Wrong)
}

fn compare(argon2: &Argon2<'static>, password: &Password, hash: &str) -> Result<Verdict, Error> {
    match (
        compare_form(argon2, password.as_bytes(), hash)?,
        password.as_typed(),
    ) {
        (Verdict::Wrong, Some(typed)) => match compare_form(argon2, typed, hash)? {
            Verdict::Wrong => Ok(Verdict::Wrong),
            _ => Ok(Verdict::RightButOutdated),
        },
        (verdict, _) => Ok(verdict),
    }
}

fn compare_form(argon2: &Argon2<'static>, password: &[u8], hash: &str) -> Result<Verdict, Error> {
    let unreadable = || Error::Internal("a stored password hash is not readable");
    let hash = PasswordHash::new(hash).map_err(|_| unreadable())?;
    match argon2.verify_password(password, &hash) {
        Ok(()) => {
            let made_with = Params::try_from(&hash).map_err(|_| unreadable())?;
            let today = argon2.params();
            let same = (made_with.m_cost(), made_with.t_cost(), made_with.p_cost())
                == (today.m_cost(), today.t_cost(), today.p_cost());
            Ok(if same {
                Verdict::Right
            } else {
                Verdict::RightButOutdated
            })
        }
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(_) => Err(unreadable()),
    }
}

/// Counts as waiting until dropped, also when the request is given up.
struct Waiting(IntGauge);

impl Waiting {
    fn new(gauge: &IntGauge) -> Waiting {
        gauge.inc();
        Waiting(gauge.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
