//! How much one client may do: by address before its token is looked at, by user after.
//!
//! The policies are a setting ([`Policies`]). Each gateway counts by itself (`local.rs`); where there is a Redis, all count together
//! (`shared.rs`), and while that is away each lets in its share. What must hold: a limiter that fails refuses nobody by that; the
//! address that counts is one that the client cannot choose; a caller without a token learns no policies, because those of log-ins are
//! nobody's business.

mod fields;
mod local;
mod policy;
mod shared;

pub use policy::Policies;
pub use shared::SharedUrl;
pub(crate) use shared::url as shared_url;

use std::fmt;
use std::net::IpAddr;

use api_error::ApiError;
use auth::UserId;
use axum::response::{IntoResponse, Response};
use client_address::Subject;
use clock::Clock;
use http::{HeaderMap, StatusCode};
use http_server::Metrics;
use prometheus::{IntCounterVec, IntGauge, Opts};

use self::fields::Counted;
use self::local::Local;
use self::policy::{Name, Policy};
use self::shared::Shared;
use crate::Config;
use crate::routes::{Route, Token};

/// The counter of one subject under one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    policy: Name,
    who: Who,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Address(Subject),
    User(i64),
}

impl Key {
    fn user(policy: Name, id: i64) -> Key {
        Key {
            policy,
            who: Who::User(id),
        }
    }
}

impl fmt::Display for Key {
    /// The key in Redis.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.policy.word();
        match self.who {
            Who::Address(subject) => write!(f, "rl:{policy}:{subject}"),
            Who::User(id) => write!(f, "rl:{policy}:{id}"),
        }
    }
}

/// What became of one request under one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// Requests that could come at once now.
    remaining: u32,
    /// The wait until this one would be let in; 0 if it is.
    wait_us: i64,
    /// The time until the whole burst is there again.
    full_in_us: i64,
}

impl Verdict {
    fn is_allowed(&self) -> bool {
        self.wait_us == 0
    }

    /// As if the request had not been counted.
    fn take_back(&mut self, policy: &Policy) {
        self.remaining = self.remaining.saturating_add(1);
        self.full_in_us = self.full_in_us.saturating_sub(policy.emission_us());
    }
}

/// The limits of one gateway.
pub(crate) struct Limits {
    policies: Policies,
    /// The share of this gateway while the others' counts are not known.
    share: Policies,
    local: Local,
    /// Counts what is let in while Redis is away, at this gateway's share.
    alone: Local,
    shared: Option<Shared>,
    clock: Clock,
    refused: IntCounterVec,
    keys: IntGauge,
}

/// The counts of one request, for the answer's header fields. Empty where the caller is told nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Vec<Counted>);

/// A request that is not passed on.
pub(crate) struct Refusal {
    error: ApiError,
    counts: Counts,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Refusal {
        Refusal {
            error,
            counts: Counts::default(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        self.counts.put_into(response.headers_mut());
        response
    }
}

impl Limits {
    pub(crate) fn new(config: &Config, clock: Clock, metrics: &Metrics) -> anyhow::Result<Limits> {
        let refused = IntCounterVec::new(
            Opts::new(
                "gateway_rate_limited_total",
                "Requests that were refused because their client sent too many, by policy.",
            ),
            &["policy"],
        )?;
        for policy in config.rate_limits.all() {
            refused.with_label_values(&[policy.name.word()]);
        }
        let keys = IntGauge::new(
            "gateway_rate_limit_keys",
            "Addresses and users that this gateway counts.",
        )?;
        metrics.register(refused.clone())?;
        metrics.register(keys.clone())?;
        let shared = match &config.redis_url {
            Some(url) => Some(Shared::new(url, metrics)?),
            None => None,
        };
        // One line at the start: whoever wonders about a 429, or misses one, finds it.
        tracing::info!(policies = %config.rate_limits, shared = shared.is_some(), "rate limits");
        Ok(Limits {
            share: config.rate_limits.shared_by(config.gateways),
            policies: config.rate_limits.clone(),
            local: Local::new(),
            alone: Local::new(),
            shared,
            clock,
            refused,
            keys,
        })
    }

    /// Counts a request by the address that it comes from, before anything else is done for it.
    pub(crate) async fn admit(&self, route: &Route, client: IpAddr) -> Result<(), Refusal> {
        let keys = address_keys(route, client);
        let charges = self.charges(&self.policies, &keys);
        // Also where the count is shared: a flood must not reach Redis.
        self.judge(self.count_here(&self.local, &charges), false)?;
        if self.shared.is_some() && route.token == Token::NotNeeded {
            self.judge(self.count_together(&keys).await, false)?;
        }
        Ok(())
    }

    /// Counts a request by the user whose token it has.
    pub(crate) async fn admit_user(
        &self,
        route: &Route,
        client: IpAddr,
        user: UserId,
    ) -> Result<Counts, Refusal> {
        let mut keys = user_keys(route, user);
        let verdicts = if self.shared.is_some() {
            keys.extend(address_keys(route, client));
            self.count_together(&keys).await
        } else {
            let charges = self.charges(&self.policies, &keys);
            self.count_here(&self.local, &charges)
        };
        self.judge(verdicts, true)
    }

    fn charges(&self, policies: &Policies, keys: &[Key]) -> Vec<(Policy, Key)> {
        keys.iter()
            .filter_map(|key| Some((*policies.of(key.policy)?, *key)))
            .collect()
    }

    /// Counts under all of these, or under none.
    fn count_here(&self, local: &Local, charges: &[(Policy, Key)]) -> Vec<Counted> {
        let now_us = self.clock.now().micros();
        let mut counted: Vec<Counted> = Vec::with_capacity(charges.len());
        for (policy, key) in charges {
            let verdict = local.count(policy, *key, now_us);
            let is_allowed = verdict.is_allowed();
            counted.push(Counted {
                policy: *policy,
                verdict,
            });
            if !is_allowed {
                for (earlier, (policy, key)) in counted.iter_mut().zip(charges) {
                    if earlier.verdict.is_allowed() {
                        local.take_back(policy, *key);
                        earlier.verdict.take_back(policy);
                    }
                }
                break;
            }
        }
        counted
    }

    /// The same with all gateways, or with this one's share if the others cannot be asked.
    async fn count_together(&self, keys: &[Key]) -> Vec<Counted> {
        let charges = self.charges(&self.policies, keys);
        if charges.is_empty() {
            return Vec::new();
        }
        let verdicts = match &self.shared {
            Some(shared) => shared.count(&charges, self.clock.now().micros()).await,
            None => None,
        };
        match verdicts {
            Some(verdicts) => charges
                .into_iter()
                .zip(verdicts)
                .map(|((policy, _), verdict)| Counted { policy, verdict })
                .collect(),
            None => self.count_here(&self.alone, &self.charges(&self.share, keys)),
        }
    }

    /// Lets the request in, or says when it may come again.
    fn judge(&self, counted: Vec<Counted>, tell: bool) -> Result<Counts, Refusal> {
        let refusal = counted
            .iter()
            .filter(|counted| !counted.verdict.is_allowed())
            .max_by_key(|counted| counted.verdict.wait_us);
        let Some(refusal) = refusal else {
            return Ok(Counts(if tell { counted } else { Vec::new() }));
        };
        let policy = refusal.policy.name.word();
        self.refused.with_label_values(&[policy]).inc();
        let seconds = fields::seconds(refusal.verdict.wait_us).max(1);
        self.keys.set(self.keys_counted());
        let error = ApiError::of_status(StatusCode::TOO_MANY_REQUESTS)
            .message(format!(
                "Too many requests; the next one is possible in {seconds} seconds"
            ))
            .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX));
        let counts = Counts(if tell { counted } else { Vec::new() });
        Err(Refusal { error, counts })
    }

    fn keys_counted(&self) -> i64 {
        let keys = self.local.keys().saturating_add(self.alone.keys());
        i64::try_from(keys).unwrap_or(i64::MAX)
    }
}

impl Counts {
    /// Tells the client how much is left.
    pub(crate) fn put_into(&self, headers: &mut HeaderMap) {
        fields::put_into(&self.0, headers);
    }
}

fn address_keys(route: &Route, client: IpAddr) -> Vec<Key> {
    let who = Who::Address(Subject::of(client));
    let mut keys = vec![Key {
        policy: Name::Address,
        who,
    }];
    if route.token == Token::NotNeeded {
        keys.push(Key {
            policy: Name::Open,
            who,
        });
    }
    keys
}

fn user_keys(route: &Route, user: UserId) -> Vec<Key> {
    let mut keys = vec![Key::user(Name::User, user.0)];
    if route.takes_key {
        keys.push(Key::user(Name::Money, user.0));
    }
    if route.looks_at_users() {
        keys.push(Key::user(Name::Directory, user.0));
    }
    keys
}
