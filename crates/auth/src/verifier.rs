//! Verifies users' tokens with the user service's public keys, and remembers what it verified.
//!
//! Checking a signature takes 50 microseconds, so a verified token is remembered, in a cache of bounded size; whether it has
//! expired or was revoked is asked every time. Keys and revocations come from outside ([`Verifier::update`]): the user
//! service feeds its own, the others follow it. What must hold: a revoked session is refused from the update on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use clock::Clock;
use jsonwebtoken::DecodingKey;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

use crate::UserId;
use crate::keys::Jwks;
use crate::user::{self, Claims, MAX_TOKEN_BYTES, TokenError};

/// The number of verified tokens that are remembered; about half a kilobyte each.
const MAX_REMEMBERED: u64 = 50_000;
/// The time that a token signed by a key that is not known yet waits for the next update.
const NEW_KEY_PATIENCE: Duration = Duration::from_millis(1500);
/// The number of such tokens that may wait at once; more are refused immediately.
const MAX_WAITING_FOR_KEY: usize = 64;

/// The owner of revoked tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedSubject {
    /// Every token of a user who was deleted.
    User(UserId),
    /// The tokens of one session, which was ended.
    Session(String),
}

/// One revocation; it matters until every token that it could concern has expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The owner of the tokens.
    pub subject: RevokedSubject,
    /// From when on it can be forgotten, in seconds since 1970.
    pub expires_at: i64,
}

/// News from the user service for everyone who verifies tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionUpdate {
    /// The public keys that are accepted now.
    pub jwks: Jwks,
    /// The place where the next update goes on.
    pub cursor: i64,
    /// The revocations since the cursor of the request.
    pub revocations: Vec<Revocation>,
}

#[derive(Default)]
struct Known {
    jwks: Jwks,
    keys: HashMap<String, DecodingKey>,
    revoked: HashMap<RevokedSubject, i64>,
}

/// Verifies users' tokens. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

struct Shared {
    clock: Clock,
    known: RwLock<Known>,
    verified: Cache<String, Arc<Claims>>,
    updated: Notify,
    waiting: Semaphore,
}

impl Verifier {
    /// A verifier that knows no key yet.
    pub fn new(clock: Clock) -> Verifier {
        Verifier(Arc::new(Shared {
            clock,
            known: RwLock::default(),
            verified: Cache::new(MAX_REMEMBERED),
            updated: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING_FOR_KEY),
        }))
    }

    /// Takes over new keys and revocations, and forgets the revocations that no token can need any more.
    pub fn update(&self, update: SessionUpdate) {
        let now = self.0.clock.now().seconds();
        {
            let mut known = self.write();
            if known.jwks != update.jwks {
                known.keys = update
                    .jwks
                    .keys
                    .iter()
                    .filter_map(|jwk| Some((jwk.kid.clone(), jwk.decoding_key().ok()?)))
                    .collect();
                known.jwks = update.jwks;
                // A token of a key that is gone must not live on in the cache.
                self.0.verified.invalidate_all();
            }
            known.revoked.retain(|_, expires_at| *expires_at > now);
            for revocation in update.revocations {
                known
                    .revoked
                    .insert(revocation.subject, revocation.expires_at);
            }
        }
        self.0.updated.notify_waiters();
    }

    /// Returns whether it knows a key, without which it refuses every token.
    pub fn is_ready(&self) -> bool {
        !self.read().keys.is_empty()
    }

    /// The claims of a good token.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let claims = match self.0.verified.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.check_signature(token).await?);
                self.0.verified.insert(token.to_owned(), claims.clone());
                claims
            }
        };
        if claims.exp <= self.0.clock.now().seconds() {
            return Err(TokenError::Expired);
        }
        let known = self.read();
        let revoked = !known.revoked.is_empty()
            && (known
                .revoked
                .contains_key(&RevokedSubject::User(claims.user_id))
                || known
                    .revoked
                    .contains_key(&RevokedSubject::Session(claims.sid.clone())));
        if revoked {
            return Err(TokenError::Invalid);
        }
        Ok(claims)
    }

    async fn check_signature(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let key = match self.key(&kid) {
            Some(key) => key,
            None => self.await_key(&kid).await.ok_or(TokenError::Invalid)?,
        };
        user::decode(token, &key)
    }

    fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.read().keys.get(kid).cloned()
    }

    /// Right after a rotation a token can arrive before the key that signed it.
    async fn await_key(&self, kid: &str) -> Option<DecodingKey> {
        let _place = self.0.waiting.try_acquire().ok()?;
        let updated = self.0.updated.notified();
        if let Some(key) = self.key(kid) {
            return Some(key);
        }
        let _ = tokio::time::timeout(NEW_KEY_PATIENCE, updated).await;
        self.key(kid)
    }

    /// The users and sessions that are refused now; for tests and metrics.
    pub fn revoked(&self) -> HashSet<RevokedSubject> {
        self.read().revoked.keys().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0
            .known
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0
            .known
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
