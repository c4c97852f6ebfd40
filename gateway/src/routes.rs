//! The table of everything that the gateway passes on. A path that is not in it does not exist for clients.
//!
//! What services offer to each other (deductions, recording a transaction, `/internal`, `/metrics`) has no row, so that no answer, no
//! `Allow` and no document shows it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};

use crate::proxy::Proxy;
use crate::upstream::Upstream::{self, Payment, Transaction, User, Wallet};

/// The prefixes under which every path exists: that of the contract's version, and its alias.
pub(crate) const PREFIXES: [&str; 2] = ["/api/v1", "/api"];

/// The public keys are also where RFC 8615 has them.
const AT_ROOT: &str = "/.well-known/jwks.json";

/// The time that a call may take that does no more than read from memory.
const QUICK: Duration = Duration::from_secs(2);

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: MethodFilter,
    /// The template: metrics count by it, and the OpenAPI document has it.
    pub(crate) path: &'static str,
    pub(crate) upstream: Upstream,
    pub(crate) token: Token,
    /// True if an `Idempotency-Key` makes it safe to repeat.
    pub(crate) takes_key: bool,
    /// The service that answers instead, where the query has this field.
    pub(crate) asked: Option<(&'static str, Upstream)>,
    /// The change to a page's session.
    pub(crate) session: Session,
    /// True if the answer is a stream that stays open.
    pub(crate) streams: bool,
    /// At most this long; at most `REQUEST_TIMEOUT` in any case.
    pub(crate) timeout: Option<Duration>,
}

/// The need for a user's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Needed,
    NotNeeded,
}

/// The change that a call makes to a page's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    Kept,
    /// A good answer has a token.
    Begins,
    Ends,
}

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;

#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    row(POST,   "/auth/register",                   User).open().with_key().begins_session(),
    row(POST,   "/auth/login",                      User).open().begins_session(),
    row(POST,   "/auth/logout",                     User).ends_session(),
    row(GET,    "/.well-known/jwks.json",           User).open().within(QUICK),
    row(GET,    "/users",                           User),
    row(GET,    "/users/verify",                    User),
    row(GET,    "/users/lookup",                    User),
    row(GET,    "/users/{id}",                      User),
    row(PUT,    "/users/{id}",                      User),
    row(DELETE, "/users/{id}",                      User),
    row(PUT,    "/users/{id}/password",             User),
    row(PUT,    "/users/{id}/status",               User),
    row(GET,    "/users/{id}/sessions",             User),
    row(DELETE, "/users/{id}/sessions",             User),
    row(DELETE, "/users/{id}/sessions/{session_id}", User),
    row(GET,    "/admin/audit",                     User),
    row(GET,    "/currencies",                      Wallet).open(),
    row(GET,    "/wallets",                         Wallet),
    row(POST,   "/wallets",                         Wallet).with_key(),
    row(GET,    "/wallets/{id}",                    Wallet),
    row(GET,    "/wallets/{id}/balance",            Wallet).asked("at", Transaction),
    row(POST,   "/wallets/{id}/topup",              Wallet).with_key(),
    row(PUT,    "/wallets/{id}/status",             Wallet),
    row(GET,    "/wallets/{id}/limits",             Wallet),
    row(PUT,    "/wallets/{id}/tier",               Wallet),
    row(GET,    "/admin/wallets",                   Wallet),
    row(GET,    "/requests/{key}",                  Wallet),
    row(GET,    "/payments",                        Payment),
    row(GET,    "/payments/{id}",                   Payment),
    row(POST,   "/payments/pay",                    Payment).with_key(),
    row(POST,   "/payments/transfer",               Payment).with_key(),
    row(POST,   "/payments/authorize",              Payment).with_key(),
    row(POST,   "/payments/{id}/refunds",           Payment).with_key(),
    row(GET,    "/payments/{id}/refunds",           Payment),
    row(POST,   "/payments/{id}/cancel",            Payment).with_key(),
    row(GET,    "/holds",                           Payment),
    row(GET,    "/holds/{id}",                      Payment),
    row(POST,   "/holds/{id}/capture",              Payment).with_key(),
    row(POST,   "/holds/{id}/void",                 Payment).with_key(),
    row(POST,   "/holds/{id}/cancel",               Payment).with_key(),
    row(GET,    "/events",                          Transaction).streaming(),
    row(GET,    "/transactions",                    Transaction),
    row(GET,    "/transactions/stats",              Transaction),
    row(GET,    "/transactions/{id}",               Transaction),
    row(GET,    "/transactions/{id}/receipt",       Transaction),
    row(GET,    "/transactions/wallet/{wallet_id}", Transaction),
    row(POST,   "/admin/transactions/{id}/reverse", Transaction).with_key(),
];

const fn row(method: MethodFilter, path: &'static str, upstream: Upstream) -> Route {
    Route {
        method,
        path,
        upstream,
        token: Token::Needed,
        takes_key: false,
        asked: None,
        session: Session::Kept,
        streams: false,
        timeout: None,
    }
}

impl Route {
    const fn open(mut self) -> Route {
        self.token = Token::NotNeeded;
        self
    }

    const fn with_key(mut self) -> Route {
        self.takes_key = true;
        self
    }

    const fn asked(mut self, field: &'static str, upstream: Upstream) -> Route {
        self.asked = Some((field, upstream));
        self
    }

    const fn begins_session(mut self) -> Route {
        self.session = Session::Begins;
        self
    }

    const fn ends_session(mut self) -> Route {
        self.session = Session::Ends;
        self
    }

    const fn streaming(mut self) -> Route {
        self.streams = true;
        self
    }

    /// Returns whether the answer is about users, also others than the caller.
    pub(crate) fn looks_at_users(&self) -> bool {
        matches!(self.upstream, User) && self.method == GET && self.path != "/users/verify"
    }

    /// The service that answers a request with this query.
    pub(crate) fn upstream_for(&self, query: Option<&str>) -> Upstream {
        let has = |field: &str| {
            query.is_some_and(|query| {
                query
                    .split('&')
                    .any(|pair| pair.split('=').next() == Some(field))
            })
        };
        match self.asked {
            Some((field, upstream)) if has(field) => upstream,
            _ => self.upstream,
        }
    }

    const fn within(mut self, timeout: Duration) -> Route {
        self.timeout = Some(timeout);
        self
    }
}

/// The table as routes, under each prefix.
pub(crate) fn router(proxy: &Arc<Proxy>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        for prefix in PREFIXES {
            router = add(router, proxy, route, prefix);
        }
        if route.path == AT_ROOT {
            router = add(router, proxy, route, "");
        }
    }
    router
}

fn add(router: Router, proxy: &Arc<Proxy>, route: &'static Route, prefix: &'static str) -> Router {
    let proxy = proxy.clone();
    let forward = async move |request: Request| proxy.forward(route, prefix, request).await;
    router.route(
        &format!("{prefix}{}", route.path),
        on(route.method, forward),
    )
}
