//! The token of a user: what it says, and why one is refused.

use std::time::Duration;

use api_error::ApiError;
use clock::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{SigningKeys, UserId};

/// Tokens live a day.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The issuer of users' tokens.
pub const ISSUER: &str = "dompet-user-service";

const AUDIENCE: &str = "dompet";

/// A token longer than this is not looked at.
pub(crate) const MAX_TOKEN_BYTES: usize = 2048;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and moves only their own.
    User,
    /// Also sees every user in full, and freezes wallets.
    Admin,
}

/// The claims of a user's token (RFC 7519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer, [`ISSUER`].
    pub iss: String,
    /// For whom: this system.
    pub aud: String,
    /// The user's id in decimal, as the standard wants it.
    pub sub: String,
    /// The same as a number, as clients of the original system read it.
    pub user_id: UserId,
    /// The user's rights.
    pub role: Role,
    /// The session: every log-in has its own, and it can be ended.
    pub sid: String,
    /// The number of the session among those of its user: a later one has a larger one. 0 where the release before signed the token.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub num: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

impl Claims {
    /// The claims of a session that begins at `now`.
    pub fn new(user_id: UserId, role: Role, session: String, now: Timestamp) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user_id.0.to_string(),
            user_id,
            role,
            sid: session,
            num: 0,
            iat: now.seconds(),
            exp: now.plus(TOKEN_LIFETIME).seconds(),
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("Token is missing")]
    Missing,
    /// Malformed, of another kind, signed by another key, or revoked.
    #[error("Invalid token")]
    Invalid,
    /// The header names another scheme, such as `Basic`.
    #[error("Invalid token")]
    OtherScheme,
    /// Its day is over.
    #[error("Token has expired")]
    Expired,
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> ApiError {
        let (sentence, code, message) = match error {
            TokenError::Missing => (
                "Token is missing",
                "token_missing",
                "Log in, and send the token along: Authorization: Bearer <token>",
            ),
            TokenError::Invalid => (
                "Invalid token",
                "token_invalid",
                "The token is none of this wallet's, or its session is over; log in again",
            ),
            TokenError::OtherScheme => (
                "Invalid token",
                "token_scheme",
                "The Authorization header takes one scheme: Bearer <token>",
            ),
            TokenError::Expired => (
                "Token has expired",
                "token_expired",
                "A token lives 24 hours; log in again",
            ),
        };
        ApiError::unauthenticated(sentence, code).message(message)
    }
}

impl SigningKeys {
    /// Signs a token. Equal claims under an equal key give equal bytes (Ed25519 is deterministic).
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| TokenError::Invalid)
    }
}

/// Checks the signature, issuer and audience; the caller checks the time with its own clock.
pub(crate) fn decode(token: &str, key: &DecodingKey) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let data =
        jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| TokenError::Invalid)?;
    // Whatever it names as critical, nothing here understands it (RFC 7515, section 4.1.11).
    if data.header.crit.is_some() {
        return Err(TokenError::Invalid);
    }
    Ok(data.claims)
}
