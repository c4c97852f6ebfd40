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
    /// Who.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// The session of the token.
    pub session: String,
    /// When the token ends, in seconds since 1970.
    pub expires_at: i64,
}

impl Caller {
    /// Whether the caller is an administrator.
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
            expires_at: claims.exp,
        })
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750). Several such headers are refused.
fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenError::Missing)?;
    if values.next().is_some() {
        return Err(TokenError::Invalid);
    }
    let value = value.to_str().map_err(|_| TokenError::Invalid)?.trim();
    if value.is_empty() {
        return Err(TokenError::Missing);
    }
    let (scheme, token) = value.split_once(' ').ok_or(TokenError::Invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Invalid);
    }
    Ok(token.trim())
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
