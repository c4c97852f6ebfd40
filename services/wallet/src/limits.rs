//! The limits that the operator chooses: a file of the operator's own, or a table that comes along. They become an entry of the log, so
//! that every replica decides by the same, and the audit can replay what was counted.
//!
//! A file is JSON: `{"limits": [{"name": "received-month", "tiers": ["registered"], "currency": "IDR", "direction": "in", "window": "month",
//! "max_amount": 40000000}]}`. Kinds are given by their names. docs/OPERATIONS.md tells the rest.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use ledger::Ledger;
use ledger::domain::limits::Limits;
use ledger::store::LedgerStore;
use ledger_api::{
    Actor, Direction, KindCode, Limit, LimitName, Operation, Order, Outcome, Service, Tier, Window,
    idempotency_key,
};
use money::Currency;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The wait before a database that is not ready is asked again.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// Figures of electronic money in Indonesia.
const INDONESIA: &str = include_str!("../limits/indonesia.json");
/// How large a file may be: many times what the most limits need.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The limits that the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenLimits(pub(crate) Vec<Limit>);

impl FromStr for ChosenLimits {
    type Err = String;

    fn from_str(text: &str) -> Result<ChosenLimits, String> {
        match text.trim() {
            "off" => Ok(ChosenLimits(Vec::new())),
            "indonesia" => read(INDONESIA),
            path => {
                let unreadable = |error: std::io::Error| {
                    format!(
                        "{path} is neither off nor indonesia nor a file that can be read: {error}"
                    )
                };
                let size = std::fs::metadata(path).map_err(unreadable)?.len();
                if size > FILE_BYTES_MAX {
                    return Err(format!("{path} has more than {FILE_BYTES_MAX} bytes"));
                }
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                read(&text).map_err(|why| format!("{path}: {why}"))
            }
        }
    }
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    limits: Vec<Line>,
}

/// One limit in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: LimitName,
    #[serde(default)]
    tiers: Vec<Tier>,
    currency: Option<Currency>,
    #[serde(default)]
    kinds: Vec<String>,
    direction: Direction,
    window: Window,
    max_amount: Option<i64>,
    max_count: Option<i64>,
    /// RFC 3339.
    valid_from: Option<String>,
    /// Where the figure is from, for people.
    #[serde(default)]
    #[expect(dead_code, reason = "a note for whoever reads the file")]
    source: Option<String>,
}

fn read(text: &str) -> Result<ChosenLimits, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let limits: Result<Vec<Limit>, String> = file.limits.into_iter().map(limit).collect();
    let limits = limits?;
    if Limits::new(limits.clone()).is_none() {
        return Err(format!(
            "there are more than {} limits",
            ledger_api::LIMITS_MAX
        ));
    }
    Ok(ChosenLimits(limits))
}

fn limit(line: Line) -> Result<Limit, String> {
    let wrong = |why: &str| format!("the limit {:?}: {why}", line.name);
    let kinds: Result<Vec<KindCode>, String> = line
        .kinds
        .iter()
        .map(|name| {
            let kind = wallet_api::KINDS.named(name);
            kind.map(|kind| kind.code)
                .ok_or_else(|| wrong(&format!("there is no kind {name}")))
        })
        .collect();
    let valid_from = match &line.valid_from {
        None => None,
        Some(text) => {
            let moment = Timestamp::parse_rfc3339(text);
            Some(
                moment
                    .ok_or_else(|| wrong("valid_from is no time of RFC 3339"))?
                    .micros(),
            )
        }
    };
    if line.max_amount.is_none() && line.max_count.is_none() {
        return Err(wrong("it has neither max_amount nor max_count"));
    }
    if line.max_amount.is_some_and(|max| max < 0) || line.max_count.is_some_and(|max| max < 0) {
        return Err(wrong("a maximum is below zero"));
    }
    if line.window == Window::Balance
        && (line.direction != Direction::In || line.max_count.is_some())
    {
        return Err(wrong(
            "a balance has the direction in, and max_amount alone",
        ));
    }
    Ok(Limit {
        name: line.name,
        tiers: line.tiers,
        currency: line.currency,
        kinds: kinds?,
        direction: line.direction,
        window: line.window,
        max_amount: line.max_amount,
        max_count: line.max_count,
        valid_from,
    })
}

/// Brings the chosen limits into force.
pub(crate) struct Apply {
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<dyn LedgerStore>,
    /// The limits of a ledger in which no entry sets any.
    pub(crate) first: Arc<Limits>,
    pub(crate) wanted: Vec<Limit>,
    /// Says when the demo data is there, where it is waited for: it begins an empty ledger.
    pub(crate) after: Option<watch::Receiver<bool>>,
    pub(crate) done: watch::Sender<bool>,
}

impl Apply {
    /// Does it, however often it has to try; then says so.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        if let Some(mut after) = self.after.take() {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = after.wait_for(|is_done| *is_done) => {}
            }
        }
        loop {
            match self.try_once().await {
                Ok(()) => {
                    self.done.send_replace(true);
                    return;
                }
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), "the limits are not set yet");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(RETRY_EVERY) => {}
                    }
                }
            }
        }
    }

    async fn try_once(&self) -> anyhow::Result<()> {
        let (since, in_force) = match self.store.limits(i64::MAX).await? {
            Some((seq, limits)) => (seq, limits),
            None => (0, self.first.all().to_vec()),
        };
        if in_force == self.wanted {
            return Ok(());
        }
        // Replicas that start together set them once.
        let wanted = serde_json::to_string(&self.wanted)?;
        let order = Order {
            key: idempotency_key(0, "limits", &format!("{since} {wanted}")),
            operation: Operation::SetLimits {
                limits: self.wanted.clone(),
                by: Actor::Service(Service::Wallet),
            },
        };
        match self.ledger.submit(vec![order]).await?.pop() {
            Some(Outcome::Accepted { .. }) => {
                tracing::info!(limits = self.wanted.len(), "limits are set");
                Ok(())
            }
            other => anyhow::bail!("not accepted: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_indonesia_can_be_read() {
        let limits = "indonesia".parse::<ChosenLimits>().map(|chosen| chosen.0);
        let limits = limits.unwrap_or_default();
        let of = |name: &str, tier: Tier| {
            let is_it = |limit: &&Limit| limit.name.as_str() == name && limit.tiers.contains(&tier);
            limits
                .iter()
                .rfind(is_it)
                .and_then(|limit| limit.max_amount)
        };
        assert_eq!(of("balance", Tier::Unregistered), Some(2_000_000));
        assert_eq!(of("balance", Tier::Registered), Some(20_000_000));
        assert_eq!(of("received-month", Tier::Registered), Some(40_000_000));
        assert_eq!(of("transfer", Tier::Unregistered), Some(0));
    }

    #[test]
    fn a_file_that_says_something_odd_is_refused_with_a_sentence() {
        let line = |fields: &str| {
            format!(
                r#"{{"limits": [{{"name": "day", "direction": "out", "window": "day", {fields}}}]}}"#
            )
        };
        assert!(read(&line(r#""max_amount": 5"#)).is_ok());
        for (fields, why) in [
            (r#""kinds": ["gift"], "max_amount": 5"#, "no kind gift"),
            (r#""tiers": ["gold"], "max_amount": 5"#, "unknown variant"),
            (r#""kinds": []"#, "neither max_amount nor max_count"),
            (r#""max_amount": -1"#, "below zero"),
            (r#""max_amount": 1.5"#, "invalid type"),
            (r#""max_amount": 5, "valid_from": "soon""#, "valid_from"),
            (r#""max_amount": 5, "max": 6"#, "unknown field"),
            (r#""max_amount": 5, "currency": "ABC""#, "ISO 4217"),
        ] {
            let error = read(&line(fields)).err().unwrap_or_default();
            assert!(error.contains(why), "{fields}: {error}");
        }
        assert!("/nowhere/limits.json".parse::<ChosenLimits>().is_err());
        assert_eq!("off".parse(), Ok(ChosenLimits(Vec::new())));
    }
}
