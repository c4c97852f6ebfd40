//! The count of several gateways together, in Redis or Valkey: one script call a request, under all policies or under none.
//!
//! What must hold: a request waits for Redis 5 ms at most, and is refused by what Redis says, never by its silence. While it does not
//! answer, nobody asks it but one request a second. Nothing but limits is there: docs/adr/0012 says why.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use http_server::Metrics;
use prometheus::{IntCounter, IntGauge};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script};

use super::policy::Policy;
use super::{Key, Verdict};

/// The time that one call may take.
const ANSWER_LIMIT: Duration = Duration::from_millis(5);
/// The time that connecting may take, beside the requests.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// The time after which a Redis that did not answer is asked again.
const AWAY_US: i64 = 1_000_000;

/// The generic cell rate algorithm on several keys, all or none. Time is that of Redis, in microseconds; all numbers stay below 2^53.
/// `%.0f`, because Lua writes numbers with 14 digits, and a moment of today has 16. Answers: what remains, the wait, when all is back.
const SCRIPT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local answer, moments, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local emission, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tolerance = emission * burst
  local base = math.min(math.max(tonumber(redis.call('GET', key) or now) or now, now), now + tolerance)
  local wait = base + emission - tolerance - now
  if wait > 0 then refused = true end
  moments[i] = {base, base + emission, tolerance, emission, math.max(wait, 0)}
end
for i, key in ipairs(KEYS) do
  local base, new, tolerance, emission, wait = unpack(moments[i])
  local moment = refused and base or new
  if not refused then
    redis.call('SET', key, string.format('%.0f', new), 'PX', math.max(math.ceil((new - now) / 1000), 1))
  end
  answer[3 * i - 2] = math.floor((tolerance - (moment - now)) / emission)
  answer[3 * i - 1] = wait
  answer[3 * i] = moment - now
end
return answer
";

/// The address of a Redis. Its `Debug` shows no password.
#[derive(Clone)]
pub struct SharedUrl(Client);

/// Reads the address of a Redis; the value parser of a setting.
pub(crate) fn url(text: &str) -> Result<SharedUrl, String> {
    text.parse()
}

impl FromStr for SharedUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<SharedUrl, String> {
        Client::open(text.trim())
            .map(SharedUrl)
            // What is wrong may repeat the address, which has a password in it.
            .map_err(|_| "a URL such as redis://:password@redis:6379/0".to_owned())
    }
}

impl fmt::Debug for SharedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedUrl").finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    connection: ConnectionManager,
    script: Script,
    /// Until when nobody is asked, in microseconds since 1970; 0 while Redis answers.
    away_until: AtomicI64,
    is_there: IntGauge,
    failures: IntCounter,
}

impl Shared {
    /// A connection that is made when it is needed, and again when it breaks.
    pub(super) fn new(url: &SharedUrl, metrics: &Metrics) -> anyhow::Result<Shared> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT))
            .set_number_of_retries(0);
        let connection = url
            .0
            .get_connection_manager_lazy(config)
            .context("REDIS_URL")?;
        let shared = Shared {
            connection,
            script: Script::new(SCRIPT),
            away_until: AtomicI64::new(0),
            is_there: IntGauge::new(
                "gateway_rate_limits_shared",
                "1 while this gateway counts together with the others, 0 while Redis is away and it lets in its share.",
            )?,
            failures: IntCounter::new(
                "gateway_rate_limit_failures_total",
                "Calls of Redis for rate limits that failed or took too long.",
            )?,
        };
        shared.is_there.set(1);
        metrics.register(shared.is_there.clone())?;
        metrics.register(shared.failures.clone())?;
        Ok(shared)
    }

    /// Counts one request under these policies; `None` where Redis does not say.
    pub(super) async fn count(
        &self,
        charges: &[(Policy, Key)],
        now_us: i64,
    ) -> Option<Vec<Verdict>> {
        if !self.may_ask(now_us) {
            return None;
        }
        let mut call = self.script.prepare_invoke();
        for (policy, key) in charges {
            call.key(key.to_string());
            call.arg(policy.emission_us());
            call.arg(policy.burst);
        }
        let mut connection = self.connection.clone();
        let answer = call.invoke_async::<Vec<i64>>(&mut connection);
        let verdicts = match tokio::time::timeout(ANSWER_LIMIT, answer).await {
            Ok(Ok(numbers)) => verdicts(&numbers, charges.len()),
            Ok(Err(_)) | Err(_) => None,
        };
        match &verdicts {
            Some(_) => self.answered(),
            None => self.failed(now_us),
        }
        verdicts
    }

    /// Whether to ask: always while Redis answers, and otherwise one request in a while.
    fn may_ask(&self, now_us: i64) -> bool {
        let until = self.away_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        // A clock that was put back must not keep it away.
        let is_over = now_us >= until || until.saturating_sub(now_us) > AWAY_US;
        is_over
            && self
                .away_until
                .compare_exchange(
                    until,
                    now_us.saturating_add(AWAY_US),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    fn answered(&self) {
        if self.away_until.swap(0, Ordering::Relaxed) != 0 {
            self.is_there.set(1);
            tracing::info!("rate limits are shared again");
        }
    }

    fn failed(&self, now_us: i64) {
        self.failures.inc();
        let until = now_us.saturating_add(AWAY_US);
        if self.away_until.swap(until, Ordering::Relaxed) == 0 {
            self.is_there.set(0);
            tracing::warn!("Redis does not answer: each gateway lets in its share by itself");
        }
    }
}

fn verdicts(numbers: &[i64], count: usize) -> Option<Vec<Verdict>> {
    let verdicts: Vec<Verdict> = numbers
        .chunks_exact(3)
        .filter_map(|answer| match answer {
            [remaining, wait_us, full_in_us] => Some(Verdict {
                remaining: u32::try_from(*remaining).unwrap_or(0),
                wait_us: *wait_us,
                full_in_us: *full_in_us,
            }),
            _ => None,
        })
        .collect();
    (verdicts.len() == count).then_some(verdicts)
}
