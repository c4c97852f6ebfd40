//! The identity of a caller: the tokens of users and the tokens of services, which can never stand in for one another.
//!
//! A user's token is a JWT signed with Ed25519 by the user service; every service verifies it by itself with the public
//! keys of the user service, remembers what it verified (bounded), and refuses deleted users and ended sessions.
//! A service's token is a JWT of a minute, under an HMAC key that only services hold. Different algorithm, different
//! issuer, different audience: each kind is refused where the other is expected.

mod ended;
mod extract;
mod keys;
mod service;
mod user;
mod verifier;

pub use ended::EndedSessions;
pub use extract::{Caller, ServiceCaller};
pub use keys::{Jwk, Jwks, KeyError, MIN_SECRET_BYTES, SigningKeys};
pub use service::{ServiceIdentity, ServiceKeyConfig, ServiceKeys};
pub use user::{Claims, ISSUER, Role, TOKEN_LIFETIME, TokenError};
pub use verifier::{Revocation, RevokedSubject, SessionUpdate, Verifier};

/// A user's id, a positive integer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UserId(pub i64);
