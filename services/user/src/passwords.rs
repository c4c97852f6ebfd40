//! Hashes and checks passwords with argon2id (RFC 9106): slow and hungry for memory by design, so never on the runtime's
//! threads, only a few at once, and no more waiting than can be served soon.
//!
//! What must hold: an attempt for an unknown address runs the same hash as a wrong password, and what does not fit in the
//! queue is refused at once instead of piling up.

use std::sync::Arc;
use std::time::Instant;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
};
use clock::Entropy;
use http_server::Metrics;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge};
use tokio::sync::Semaphore;

use crate::Config;
use crate::domain::Password;
use crate::error::Error;

/// The number that may wait for each one that is being hashed: about a second's worth.
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

/// Hashes and checks. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<Shared>);

struct Shared {
    argon2: Argon2<'static>,
    entropy: Entropy,
    /// Those that hash.
    places: Arc<Semaphore>,
    /// Those that hash, and those that wait.
    admitted: Arc<Semaphore>,
    duration: Histogram,
    waiting: IntGauge,
    refused: IntCounter,
}

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
            places: Arc::new(Semaphore::new(places)),
            admitted: Arc::new(Semaphore::new(places * (WAITING_PER_PLACE + 1))),
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
            refused: IntCounter::new(
                "password_hashes_refused_total",
                "Passwords that were refused because too many waited.",
            )?,
        };
        metrics.register(shared.duration.clone())?;
        metrics.register(shared.waiting.clone())?;
        metrics.register(shared.refused.clone())?;
        Ok(Passwords(Arc::new(shared)))
    }

    /// The hash of a password, with a new salt, in PHC's text format.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        let salt = self.0.entropy.bytes16();
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
        let shared = self.0.clone();
        let admitted = shared.admitted.clone().try_acquire_owned().map_err(|_| {
            shared.refused.inc();
            Error::Overloaded
        })?;
        let waiting = Waiting::new(&shared.waiting);
        let place = shared
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Error::Internal("the queue of passwords is closed"))?;
        drop(waiting);
        tokio::task::spawn_blocking(move || {
            // Held until the work ends, also when the request that asked for it is gone.
            let _held = (admitted, place);
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
