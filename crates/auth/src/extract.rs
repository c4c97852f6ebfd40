//! Extractors: a handler that takes a [`Caller`] is for users, one that takes a [`ServiceCaller`] is for services.

use std::sync::Arc;

use api_error::ApiError;
use axum::extract::{FromRef, FromRequestParts};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::{Role, ServiceKeys, TokenError, UserId, Verifier};

/// The user whose token came with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub user_id: UserId,
    /// The user's rights.
    pub role: Role,
    /// The session of the token.
    pub session: String,
    /// The number of that session among those of the user.
    pub session_number: i64,
    /// When the token ends, in seconds since 1970.
    pub expires_at: i64,
}

impl Caller {
    /// Returns whether the caller is an administrator.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

impl Verifier {
    /// The user whose token is in the `Authorization` header.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, TokenError> {
        let claims = self.verify(bearer(headers)?).await?;
        Ok(Caller {
            user_id: claims.user_id,
            role: claims.role,
            session: claims.sid.clone(),
            session_number: claims.num,
            expires_at: claims.exp,
        })
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750), or of one that has nothing but a token, as clients of the original
/// system send it. Several such headers are refused.
fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenError::Missing)?;
    if values.next().is_some() {
        return Err(TokenError::Invalid);
    }
    let value = value.to_str().map_err(|_| TokenError::Invalid)?;
    let mut words = value.split_ascii_whitespace();
    let first = words.next().ok_or(TokenError::Missing)?;
    let second = words.next();
    if first.eq_ignore_ascii_case("bearer") {
        let token = second.ok_or(TokenError::Invalid)?;
        return match words.next() {
            None => Ok(token),
            Some(_) => Err(TokenError::Invalid),
        };
    }
    match second {
        None if is_shaped_like_a_token(first) => Ok(first),
        None => Err(TokenError::Invalid),
        Some(_) => Err(TokenError::OtherScheme),
    }
}

/// Header, claims and signature, with points between (RFC 7515, section 7.1).
fn is_shaped_like_a_token(word: &str) -> bool {
    word.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Verifier::from_ref(state).caller(&parts.headers).await?)
    }
}

/// The service whose token came with the request. A user's token is answered with 403: it is somebody, but nobody who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCaller(pub Arc<str>);

impl<S> FromRequestParts<S> for ServiceCaller
where
    S: Send + Sync,
    ServiceKeys: FromRef<S>,
    Verifier: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let token = bearer(&parts.headers)?;
        match ServiceKeys::from_ref(state).verify(token) {
            Ok(service) => Ok(ServiceCaller(service)),
            Err(error) => {
                Verifier::from_ref(state)
                    .verify(token)
                    .await
                    .map_err(|_| error)?;
                Err(ApiError::forbidden("Unauthorized", "services_only")
                    .message("Only services may call this"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Result<String, TokenError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn a_token_is_read_however_its_scheme_is_written() {
        for value in [
            "Bearer a.b.c",
            "bearer a.b.c",
            "BEARER a.b.c",
            "bEaReR   a.b.c ",
            "Bearer\ta.b.c",
            "  a.b.c ",
            "a.b.c",
        ] {
            assert_eq!(read(&[value]).as_deref(), Ok("a.b.c"), "{value:?}");
        }
    }

    #[test]
    fn what_has_no_token_says_why() {
        for (values, error) in [
            (&[][..], TokenError::Missing),
            (&[""], TokenError::Missing),
            (&["Bearer"], TokenError::Invalid),
            (&["bearer  "], TokenError::Invalid),
            (&["Basic dXNlcjpwYXNzd29yZA=="], TokenError::OtherScheme),
            (&["Token a.b.c"], TokenError::OtherScheme),
            (&["Bearer: a.b.c"], TokenError::OtherScheme),
            (&["abc"], TokenError::Invalid),
            (&["Bearer a.b.c d"], TokenError::Invalid),
            (&["Bearer a.b.c", "Bearer a.b.c"], TokenError::Invalid),
        ] {
            assert_eq!(read(values), Err(error), "{values:?}");
        }
    }
}
