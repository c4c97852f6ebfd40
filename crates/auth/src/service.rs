//! The proof of identity that services show each other: a JWT of a minute, under an HMAC key that only services hold.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;

use anyhow::Context as _;
use clock::{Clock, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use settings::{Findings, Settings};

use crate::keys::{KeyError, SigningKeys, derive};
use crate::user::{MAX_TOKEN_BYTES, TokenError};

const ISSUER: &str = "dompet-services";
const AUDIENCE: &str = "dompet-internal";
const LIFETIME_S: i64 = 60;
/// A token is made anew when it has less than this left.
const RENEW_BEFORE_S: i64 = 30;
/// The difference that two machines' clocks may have.
const LEEWAY_S: i64 = 30;

#[derive(Clone, Serialize, Deserialize)]
struct ServiceClaims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
}

/// The secrets that the key of the services comes from. Its `Debug` shows no secret.
#[derive(Clone, clap::Args)]
pub struct ServiceKeyConfig {
    /// The secret that services prove themselves with, at least 32 bytes; without it one is derived from SECRET_KEY
    #[arg(long, env = "SERVICE_KEY", hide_env_values = true, value_parser = settings::secret)]
    pub service_key: Option<String>,
    /// The secret before it, accepted during a rotation
    #[arg(long, env = "SERVICE_KEY_PREVIOUS", hide_env_values = true, value_parser = settings::secret)]
    pub service_key_previous: Option<String>,
    /// The secret that users' tokens are signed with, at least 32 bytes
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, value_parser = settings::secret)]
    pub secret_key: Option<String>,
    /// The secret before it, whose tokens are accepted during a rotation
    #[arg(long, env = "SECRET_KEY_PREVIOUS", hide_env_values = true, value_parser = settings::secret)]
    pub secret_key_previous: Option<String>,
}

impl fmt::Debug for ServiceKeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceKeyConfig").finish_non_exhaustive()
    }
}

impl Settings for ServiceKeyConfig {
    fn check(&self, found: &mut Findings) {
        if given(&self.service_key).is_none() && given(&self.secret_key).is_none() {
            found.mistake(
                "SERVICE_KEY or SECRET_KEY must be set: services prove themselves with it",
            );
        }
    }
}

impl ServiceKeyConfig {
    /// Only `SECRET_KEY`, for tests and the local mode.
    pub fn from_secret(secret_key: impl Into<String>) -> ServiceKeyConfig {
        ServiceKeyConfig {
            service_key: None,
            service_key_previous: None,
            secret_key: Some(secret_key.into()),
            secret_key_previous: None,
        }
    }

    /// The key that services share.
    pub fn service_keys(&self, clock: Clock) -> anyhow::Result<ServiceKeys> {
        let (secret, previous) = match given(&self.service_key) {
            Some(key) => (Some(key), &self.service_key_previous),
            None => (given(&self.secret_key), &self.secret_key_previous),
        };
        let secret = secret.context("SERVICE_KEY or SECRET_KEY must be set")?;
        ServiceKeys::from_secrets(secret, given(previous), clock)
            .context("SERVICE_KEY or SECRET_KEY")
    }

    /// The keys that sign users' tokens; only the user service has them.
    pub fn signing_keys(&self) -> anyhow::Result<SigningKeys> {
        let (secret, previous) = self.secret_keys()?;
        SigningKeys::from_secrets(secret, previous).context("SECRET_KEY")
    }

    /// `SECRET_KEY`, and the one before it.
    pub fn secret_keys(&self) -> anyhow::Result<(&str, Option<&str>)> {
        let secret = given(&self.secret_key).context("SECRET_KEY must be set")?;
        Ok((secret, given(&self.secret_key_previous)))
    }
}

/// A variable that is set to nothing, as a compose file or a chart may do, is not set.
fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The key that services share, and during a rotation the one before it.
#[derive(Clone)]
pub struct ServiceKeys {
    encoding: EncodingKey,
    decoding: Vec<DecodingKey>,
    clock: Clock,
    verified: Cache<String, (Arc<str>, i64)>,
}

impl ServiceKeys {
    /// Derives the keys from `SERVICE_KEY` (or, without one, from `SECRET_KEY`) and the one before it.
    pub fn from_secrets(
        secret: &str,
        previous: Option<&str>,
        clock: Clock,
    ) -> Result<ServiceKeys, KeyError> {
        let key = derive(secret, PURPOSE)?;
        let mut decoding = vec![DecodingKey::from_secret(&key)];
        if let Some(previous) = previous {
            decoding.push(DecodingKey::from_secret(&derive(previous, PURPOSE)?));
        }
        Ok(ServiceKeys {
            encoding: EncodingKey::from_secret(&key),
            decoding,
            clock,
            verified: Cache::new(256),
        })
    }

    /// The service that this token proves, if it does.
    pub fn verify(&self, token: &str) -> Result<Arc<str>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let now = self.clock.now().seconds();
        let (service, expires) = match self.verified.get(token) {
            Some(known) => known,
            None => {
                let claims = self.decode(token)?;
                let known = (Arc::from(claims.sub), claims.exp);
                self.verified.insert(token.to_owned(), known.clone());
                known
            }
        };
        if expires.saturating_add(LEEWAY_S) <= now {
            return Err(TokenError::Expired);
        }
        Ok(service)
    }

    fn decode(&self, token: &str) -> Result<ServiceClaims, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        self.decoding
            .iter()
            .find_map(|key| jsonwebtoken::decode(token, key, &validation).ok())
            .map(|data| data.claims)
            .ok_or(TokenError::Invalid)
    }

    fn sign(&self, service: &str, now: Timestamp) -> Result<String, TokenError> {
        let claims = ServiceClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: service.to_owned(),
            iat: now.seconds(),
            exp: now.seconds().saturating_add(LIFETIME_S),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|_| TokenError::Invalid)
    }
}

const PURPOSE: &str = "service tokens, HMAC-SHA256, v1";

/// The token in use, and when it is made anew, in seconds since 1970.
type Current = (Arc<str>, i64);

/// One service's own name and key: makes the tokens that it sends.
#[derive(Clone)]
pub struct ServiceIdentity {
    name: &'static str,
    keys: ServiceKeys,
    current: Arc<Mutex<Option<Current>>>,
}

impl ServiceIdentity {
    /// The identity of the service `name`.
    pub fn new(name: &'static str, keys: ServiceKeys) -> ServiceIdentity {
        ServiceIdentity {
            name,
            keys,
            current: Arc::default(),
        }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A token that is good for at least half a minute.
    pub fn token(&self) -> Result<Arc<str>, TokenError> {
        let now = self.keys.clock.now();
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((token, renew_at)) = &*current
            && now.seconds() < *renew_at
            && renew_at.saturating_sub(now.seconds()) <= LIFETIME_S - RENEW_BEFORE_S
        {
            return Ok(token.clone());
        }
        let token: Arc<str> = self.keys.sign(self.name, now)?.into();
        *current = Some((
            token.clone(),
            now.seconds().saturating_add(LIFETIME_S - RENEW_BEFORE_S),
        ));
        Ok(token)
    }
}
