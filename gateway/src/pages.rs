//! The web pages of the wallet. They come out of the binary: `web/` is their source, and `gateway/pages` what `npm run build` made of it,
//! compressed already, so that nothing here needs Node.
//!
//! What must hold: a page is only what a browser gets that asks for one at an address of [`ROUTES`]; everything else that has no route stays
//! a 404 of the API, and a program that opens `/` is led to the documents. Nothing runs on a page but the scripts that are served here, and a page speaks to nobody but this origin.

use api_error::ApiError;
use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the pages.
struct File {
    name: &'static str,
    content_type: &'static str,
    etag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static FILES: &[File] = include!("../pages/table.rs");

/// The addresses that are pages, as the pages' own router has them.
const ROUTES: &str = include_str!("../pages/routes.json");

/// The address that a program is sent to when it opens the root, relative, so that it holds where a proxy has the gateway under a path of its own.
const DOCUMENTS: &str = "docs/";

/// The page that all addresses begin with. What it loads has relative addresses, so that it works where a proxy has the gateway under a path
/// of its own.
const INDEX: &str = "index.html";
/// The same for addresses with one more slash: what it loads is one folder up.
const NESTED: &str = "nested.html";

/// Asked for anew each time, so that a new version is there at once; usually answered with 304.
const REVALIDATE: &str = "no-cache";
/// Their names change with their content.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `trusted-types`: no text becomes markup or code, but by the one policy of Vue.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types vue";

/// The pages and their files.
pub(crate) fn routes() -> anyhow::Result<Router> {
    let addresses: Vec<String> = serde_json::from_str(ROUTES)?;
    let page_at = |name| file(name).ok_or_else(|| anyhow::anyhow!("gateway/pages has no {name}"));
    let (index, nested) = (page_at(INDEX)?, page_at(NESTED)?);
    let page = get(async move |uri: Uri, headers: HeaderMap| {
        if wants_page(&headers) {
            let page = if uri.path().matches('/').count() > 1 {
                nested
            } else {
                index
            };
            answer(page, &headers, REVALIDATE)
        } else if uri.path() == "/" {
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, DOCUMENTS)]).into_response()
        } else {
            not_found()
        }
    });
    let asset = get(async |Path(name): Path<String>, headers: HeaderMap| {
        file(&format!("assets/{name}"))
            .map_or_else(not_found, |file| answer(file, &headers, FOREVER))
    });
    let pages = addresses.iter().fold(Router::new(), |router, address| {
        router.route(address, page.clone())
    });
    Ok(pages.route("/assets/{name}", asset))
}

fn not_found() -> Response {
    ApiError::not_found("Endpoint not found", "endpoint_not_found").into_response()
}

fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// Returns whether a browser asks for a page: a program that asks for JSON, or for anything, gets the API's answer.
fn wants_page(headers: &HeaderMap) -> bool {
    listed(headers, &ACCEPT).any(|(media_type, quality)| media_type == "text/html" && quality)
}

fn answer(file: &'static File, headers: &HeaderMap, cache: &'static str) -> Response {
    let mut response = if is_known(headers, file.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let accepts = |coding: &str| {
            listed(headers, &ACCEPT_ENCODING).any(|(name, wanted)| name == coding && wanted)
        };
        let (bytes, coding) = match (file.brotli, file.gzip) {
            (Some(bytes), _) if accepts("br") => (bytes, Some("br")),
            (_, Some(bytes)) if accepts("gzip") => (bytes, Some("gzip")),
            _ => (file.plain, None),
        };
        let mut response = bytes.into_response();
        if let Some(coding) = coding {
            response
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    for (name, value) in [
        (CONTENT_TYPE, file.content_type),
        (CACHE_CONTROL, cache),
        (ETAG, file.etag),
        (VARY, "Accept, Accept-Encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns whether the client has this version already (RFC 9110, section 13.1.2: compared weakly).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// The members of a header's list, in lower case, each with whether it is wanted at all (`q=0` says no).
fn listed<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (String, bool)> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let token = parts.next().unwrap_or_default().to_ascii_lowercase();
            let is_refused =
                parts
                    .filter_map(|parameter| parameter.split_once('='))
                    .any(|(key, value)| {
                        key.trim().eq_ignore_ascii_case("q")
                            && value
                                .trim()
                                .parse::<f32>()
                                .is_ok_and(|quality| quality <= 0.0)
                    });
            (token, !is_refused)
        })
}
