//! Sessions of the pages: a cookie that no script can read, in the place of a token.
//!
//! A page asks for it at log-in with `Dompet-Session: cookie`; the answer then has no token, and the gateway sets it as a cookie. The
//! page sends `Dompet-Session: <id of its user>` with every request, and the gateway makes a bearer token of the cookie. Services and
//! clients with tokens know nothing of it.
//!
//! What must hold: the cookie alone does nothing. It counts only in a request with that header, which no form, link or image can send and
//! which a script of another origin may not send with cookies (CORS here never allows credentials), and of which the browser itself
//! does not say that it comes from elsewhere. It counts for the user whom the page names, so that an open tab does not act for whoever
//! signed in later. A token in `Authorization` counts alone. No cookie goes on to a service.

use api_error::ApiError;
use auth::UserId;
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of the pages.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("dompet-session");
/// Its value at log-in.
const ASKS_FOR_COOKIE: &[u8] = b"cookie";
/// Its value where the page does not know yet who is signed in.
const ANYBODY: &[u8] = b"any";

/// What a browser says of where a request comes from (Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The host that the browser named, where a proxy put another in its place.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The cookie's name over https: a browser takes it from nobody but this very host (RFC 6265bis, section 4.1.3.2).
const SECURE_NAME: &str = "__Host-dompet_session";
/// Its name over plain http, as on a developer's machine.
const NAME: &str = "dompet_session";

/// The user whom a page acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Whoever is signed in.
    Anybody,
    /// This one, and nobody else.
    User(i64),
}

/// Takes cookies out of the request. If a page's session is among them, and the call `needs_token`, it becomes a bearer token; the result
/// is whom the page named.
pub(crate) fn take_up(
    headers: &mut HeaderMap,
    needs_token: bool,
) -> Result<Option<Named>, ApiError> {
    let token = token_in(headers).filter(|_| needs_token);
    let header = headers.remove(HEADER);
    headers.remove(COOKIE);
    let (Some(token), Some(header)) = (token, header) else {
        return Ok(None);
    };
    if headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    if !is_from_here(headers) {
        return Err(from_elsewhere());
    }
    let named = named(&header).ok_or_else(changed)?;
    let bearer = HeaderValue::try_from(format!("Bearer {token}"));
    headers.insert(AUTHORIZATION, bearer.map_err(|_| changed())?);
    Ok(Some(named))
}

/// Returns whether a log-in asks for a cookie. One from elsewhere could sign a reader in as somebody else.
pub(crate) fn asks_for_cookie(headers: &HeaderMap) -> Result<Option<Wanted>, ApiError> {
    if headers.get(HEADER).map(HeaderValue::as_bytes) != Some(ASKS_FOR_COOKIE) {
        return Ok(None);
    }
    if !is_from_here(headers) {
        return Err(from_elsewhere());
    }
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    Ok(Some(Wanted {
        is_secure: origin.is_some_and(|origin| origin.starts_with(b"https://")),
    }))
}

/// A cookie that a log-in asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Whether the page came by https. The browser says so; a proxy in front may speak http to this server.
    is_secure: bool,
}

impl Wanted {
    /// The answer's body without the token, and the cookie with it; `None` where there is no token in it.
    pub(crate) fn keep(self, body: &Bytes) -> Option<(Bytes, HeaderValue)> {
        let mut fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).ok()?;
        let token = fields.remove("token")?;
        let cookie = cookie(token.as_str()?, self.is_secure)?;
        let body = serde_json::to_vec(&fields).ok()?;
        Some((body.into(), cookie))
    }
}

/// Without an end of its own: the browser drops it when it is closed, and the token ends after a day.
fn cookie(token: &str, is_secure: bool) -> Option<HeaderValue> {
    let cookie = if is_secure {
        format!("{SECURE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict; Secure")
    } else {
        format!("{NAME}={token}; Path=/; HttpOnly; SameSite=Strict")
    };
    HeaderValue::try_from(cookie).ok()
}

/// Has the browser forget the session.
pub(crate) fn forget(response: &mut Response) {
    let gone = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";
    for cookie in [
        format!("{NAME}={gone}"),
        format!("{SECURE_NAME}={gone}; Secure"),
    ] {
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

impl Named {
    /// Whether the token is the user's whom the page means.
    pub(crate) fn is(self, user: UserId) -> bool {
        match self {
            Named::Anybody => true,
            Named::User(id) => id == user.0,
        }
    }
}

fn named(header: &HeaderValue) -> Option<Named> {
    if header.as_bytes() == ANYBODY {
        return Some(Named::Anybody);
    }
    header.to_str().ok()?.parse().ok().map(Named::User)
}

/// Of two cookies that of https counts: only this host can have set it.
fn token_in(headers: &HeaderMap) -> Option<String> {
    let mut found = None;
    let values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for (name, value) in values
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
    {
        match name {
            SECURE_NAME => return Some(value.to_owned()),
            NAME => found = Some(value.to_owned()),
            _ => {}
        }
    }
    found
}

/// Whether the request comes from a page of this very origin, as far as the browser says. Browsers say it by `Sec-Fetch-Site` over
/// https and on the reader's own machine; elsewhere over plain http, and of old, there is only `Origin`.
fn is_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let Some((_, from)) = origin else {
        return false;
    };
    [HOST, FORWARDED_HOST]
        .iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .any(|host| host.eq_ignore_ascii_case(from))
}

fn from_elsewhere() -> ApiError {
    ApiError::forbidden("Unauthorized", "foreign_origin")
        .message("A page of another origin cannot use this session; a client sends its own token")
}

/// The session of the browser is not the one that the page means.
pub(crate) fn changed() -> ApiError {
    ApiError::unauthenticated("Invalid token", "session_changed")
        .message("Somebody else has signed in with this browser; log in again")
}
