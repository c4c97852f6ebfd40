//! Verifies users' tokens with the user service's public keys, and remembers what it verified.
//!
//! Checking a signature takes 50 microseconds, so a verified token is remembered, in a cache of bounded size; whether it has
//! expired or was revoked is asked every time. Keys and revocations come from outside ([`Verifier::update`]): the user
//! service feeds its own, the others follow it. What must hold: a revoked session is refused from the update on, and no number of
//! log-outs makes the memory grow past one small record a user.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use clock::Clock;
use jsonwebtoken::DecodingKey;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

use crate::UserId;
use crate::ended::{Ended, EndedSessions};
use crate::keys::Jwks;
use crate::user::{self, Claims, MAX_TOKEN_BYTES, TokenError};

/// The number of verified tokens that are remembered; about half a kilobyte each.
const MAX_REMEMBERED: u64 = 50_000;
/// The time that a token signed by a key that is not known yet waits for the next update.
const NEW_KEY_PATIENCE: Duration = Duration::from_millis(1500);
/// The number of such tokens that may wait at once; more are refused immediately.
const MAX_WAITING_FOR_KEY: usize = 64;
/// The interval at which revocations that no token can need any more are forgotten. Each time all of them are looked at.
const FORGET_EVERY_S: i64 = 300;

/// The owner of revoked tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedSubject {
    /// Every token of a user who was deleted.
    User(UserId),
    /// The tokens of one session, which was ended. Sessions that have a number are in [`EndedSessions`] instead.
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
    /// The users of whom sessions ended since the cursor of the request.
    #[serde(default)]
    pub ended: Vec<EndedSessions>,
}

impl SessionUpdate {
    /// The number of items, by which a page is full or not.
    pub fn len(&self) -> usize {
        self.revocations.len().saturating_add(self.ended.len())
    }

    /// Returns whether nothing was revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Default)]
struct Known {
    jwks: Jwks,
    keys: HashMap<String, DecodingKey>,
    /// By user: what of theirs is over.
    ended: HashMap<UserId, Ended>,
    /// Sessions without a number, and until when they matter.
    sessions: HashMap<String, i64>,
    /// When to look for what can be forgotten, in seconds since 1970.
    forget_at: i64,
}

impl Known {
    fn revokes(&self, claims: &Claims) -> bool {
        let is_over = |ended: &Ended| !ended.allows(claims.num);
        self.ended.get(&claims.user_id).is_some_and(is_over)
            || (!self.sessions.is_empty() && self.sessions.contains_key(&claims.sid))
    }

    fn end(&mut self, user_id: UserId, ended: Ended) {
        match self.ended.entry(user_id) {
            Entry::Occupied(mut known) => known.get_mut().join(ended),
            Entry::Vacant(place) => {
                place.insert(ended);
            }
        }
    }

    /// Forgets what no token can need any more, now and then.
    fn forget(&mut self, now: i64) {
        if now < self.forget_at {
            return;
        }
        self.forget_at = now.saturating_add(FORGET_EVERY_S);
        self.ended.retain(|_, ended| ended.expires_at > now);
        self.sessions.retain(|_, expires_at| *expires_at > now);
    }
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
        let is_news = {
            let known = self.read();
            !update.is_empty() || known.jwks != update.jwks || now >= known.forget_at
        };
        // Nearly always there is none, and nobody who verifies has to wait.
        if is_news {
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
            known.forget(now);
            for Revocation {
                subject,
                expires_at,
            } in update.revocations
            {
                match subject {
                    RevokedSubject::User(user_id) => known.end(user_id, Ended::all(expires_at)),
                    RevokedSubject::Session(session) => {
                        known.sessions.insert(session, expires_at);
                    }
                }
            }
            for ended in update.ended {
                known.end(ended.user_id, ended.into());
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
        if self.read().revokes(&claims) {
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

    /// The number of records of what is over, for metrics.
    pub fn records(&self) -> usize {
        let known = self.read();
        known.ended.len().saturating_add(known.sessions.len())
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
