//! The auditor that never sleeps: the checks of [`crate::verify`], all the time, a little at a time, shown as metrics.
//!
//! It follows the log's end, and compares the accounts that were touched; it sums up all accounts now and then; and it walks over
//! the whole log again and again from the first entry, so that a change of old rows is found too. Each of these rests for a
//! multiple of the time that it took, so that it never costs more than a small share of one processor and the database. What an
//! audit finds is logged as an error and stays in the metrics until the process ends: it is for people to look at.
#![deny(clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::Clock;
use http_server::Metrics;
use ledger_api::Role;
use money::Currency;
use prometheus::{Gauge, GaugeVec, IntGauge, IntGaugeVec, Opts};
use tokio_util::sync::CancellationToken;

use crate::domain::{Head, Policy, system_account};
use crate::store::{LedgerStore, StoreError};
use crate::verify::{ALL, Findings, NEGATIVE, SUM, Walk};

/// Entries that are walked over at once: a millisecond or two of work, which a payment that waits behind it does not feel.
const PAGE: i64 = 250;
/// Touched accounts that are compared at once: as little work.
const ACCOUNTS_AT_ONCE: usize = 250;
/// Between two pages of the log's end, and between such accounts, it rests for this multiple of the time that one took.
const BREATH: u32 = 3;

/// The pace of one kind of check.
struct Pace {
    /// It rests for this multiple of the time that it took,
    times: u32,
    /// but at least so long.
    least: Duration,
}

/// The log's end: a twentieth of the time at most, since three quarters of what it takes are rests between pages.
const END: Pace = Pace {
    times: 4,
    least: Duration::from_millis(500),
};
/// All accounts: a hundredth, of which half are rests.
const ACCOUNTS: Pace = Pace {
    times: 100,
    least: Duration::from_secs(10),
};
/// A page of the whole log: a hundredth.
const WHOLE: Pace = Pace {
    times: 100,
    least: Duration::from_millis(125),
};

impl Pace {
    fn rest(&self, took: Duration) -> Duration {
        took.saturating_mul(self.times).max(self.least)
    }
}

/// Walks along the log's end up to `end`, page by page with rests; `false` where it ends before.
async fn walk_to(
    end: i64,
    walk: &mut Walk,
    store: &dyn LedgerStore,
    found: &mut Findings,
) -> Result<bool, StoreError> {
    while !walk.is_at(end) {
        let started = Instant::now();
        if !walk.step(store, PAGE, end, found).await? {
            return Ok(false);
        }
        breathe_since(started).await;
    }
    Ok(true)
}

async fn breathe_since(started: Instant) {
    tokio::time::sleep(started.elapsed().saturating_mul(BREATH)).await;
}

/// The auditor's metrics.
#[derive(Clone)]
struct AuditMetrics {
    sum: GaugeVec,
    negative: IntGauge,
    range_used: GaugeVec,
    failed: IntGaugeVec,
    seq: IntGauge,
    whole_seq: IntGauge,
    last_success: Gauge,
}

impl AuditMetrics {
    fn register(metrics: &Metrics) -> anyhow::Result<AuditMetrics> {
        let made = AuditMetrics {
            sum: GaugeVec::new(
                Opts::new(
                    "ledger_audit_sum",
                    "What all balances of a currency add up to, in its smallest unit: 0.",
                ),
                &["currency"],
            )?,
            negative: IntGauge::new(
                "ledger_audit_negative_wallets",
                "How many wallets are below zero: 0.",
            )?,
            range_used: GaugeVec::new(
                Opts::new(
                    "ledger_audit_range_used_ratio",
                    "How much of the range of 64 bits the balance of a system account has used up, from 0 to 1.",
                ),
                &["account", "currency"],
            )?,
            failed: IntGaugeVec::new(
                Opts::new(
                    "ledger_audit_failed",
                    "1 where the auditor found an invariant broken.",
                ),
                &["check"],
            )?,
            seq: IntGauge::new(
                "ledger_audit_seq",
                "The newest entry of the log that was audited.",
            )?,
            whole_seq: IntGauge::new(
                "ledger_audit_whole_seq",
                "Where the walk over the whole log is.",
            )?,
            last_success: Gauge::new(
                "ledger_audit_last_success_timestamp_seconds",
                "When the log's end was last audited and everything held, in seconds since 1970.",
            )?,
        };
        for check in ALL {
            made.failed.with_label_values(&[check.id]).set(0);
        }
        metrics.register(made.sum.clone())?;
        metrics.register(made.negative.clone())?;
        metrics.register(made.range_used.clone())?;
        metrics.register(made.failed.clone())?;
        metrics.register(made.seq.clone())?;
        metrics.register(made.whole_seq.clone())?;
        metrics.register(made.last_success.clone())?;
        Ok(made)
    }
}

/// How much of the range of 64 bits a balance has used up, to five places.
fn share_of_range(balance: i64) -> f64 {
    const PARTS: u32 = 100_000;
    let part = i64::MAX.unsigned_abs().checked_div(u64::from(PARTS));
    let used = part.and_then(|part| balance.unsigned_abs().checked_div(part));
    let used = used.unwrap_or_default();
    f64::from(u32::try_from(used).unwrap_or(PARTS)) / f64::from(PARTS)
}

/// Audits one ledger.
pub struct Auditor {
    store: Arc<dyn LedgerStore>,
    policy: Policy,
    clock: Clock,
    metrics: AuditMetrics,
    findings: Findings,
    /// `None` until the head was read.
    end: Option<Walk>,
    whole: Walk,
}

impl Auditor {
    /// An auditor that has seen nothing yet.
    pub fn new(
        store: Arc<dyn LedgerStore>,
        policy: impl Into<Policy>,
        clock: Clock,
        metrics: &Metrics,
    ) -> anyhow::Result<Auditor> {
        let policy = policy.into();
        Ok(Auditor {
            store,
            clock,
            metrics: AuditMetrics::register(metrics)?,
            findings: Findings::default(),
            end: None,
            whole: Walk::from_the_start(&policy),
            policy,
        })
    }

    /// Audits until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut due = [Instant::now(); 3];
        while !stop.is_cancelled() {
            let (which, at) = (0..3)
                .map(|which| (which, due[which]))
                .min_by_key(|(_, at)| *at)
                .unwrap_or((0, Instant::now()));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(at.into()) => {}
            }
            let started = Instant::now();
            let audit = async {
                match which {
                    0 => (END, self.audit_end().await),
                    1 => (ACCOUNTS, self.audit_accounts().await),
                    _ => (WHOLE, self.audit_whole().await),
                }
            };
            let (pace, result) = tokio::select! {
                () = stop.cancelled() => return,
                audited = audit => audited,
            };
            if let Err(error) = result {
                // No verdict; the time of the last success tells how long there was none.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the ledger could not be audited"
                );
            }
            let now = Instant::now();
            due[which] = now
                .checked_add(pace.rest(now.saturating_duration_since(started)))
                .unwrap_or(now);
        }
    }

    /// Audits what is new since the last time: the log up to its head, and the accounts that were touched.
    pub async fn audit_end(&mut self) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        let mut walk = self
            .end
            .take()
            .unwrap_or_else(|| Walk::from(&head, &self.policy));
        let mut found = Findings::default();
        let result = self.follow(&mut walk, &head, &mut found).await;
        self.metrics.seq.set(walk.seq());
        let held = found.is_empty();
        self.report(found);
        if !held {
            // What follows a fault is faulty too: begin anew behind it. The fault stays in the metrics.
            return result;
        }
        self.end = Some(walk);
        if result.is_ok() && self.findings.is_empty() {
            let now = Duration::from_micros(self.clock.now().micros().unsigned_abs());
            self.metrics.last_success.set(now.as_secs_f64());
        }
        result
    }

    async fn follow(
        &self,
        walk: &mut Walk,
        head: &Head,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        let store = &*self.store;
        if !walk_to(head.seq, walk, store, found).await? {
            return Ok(());
        }
        // What is touched from here on is compared the next time.
        for some in walk.take_touched().chunks(ACCOUNTS_AT_ONCE) {
            let started = Instant::now();
            let (head, accounts) = store.accounts_at_head(some).await?;
            breathe_since(started).await;
            // What was committed since may have touched them again.
            if !walk_to(head.seq, walk, store, found).await? {
                return Ok(());
            }
            walk.compare(&head, some, &accounts, found);
        }
        walk.forget();
        Ok(())
    }

    /// The sums of all accounts, and whether a wallet is below zero.
    pub async fn audit_accounts(&mut self) -> Result<(), StoreError> {
        let (sums, negative) = self.store.sums().await?;
        let mut found = Findings::default();
        self.show_ranges(sums.iter().map(|(currency, _)| *currency))
            .await?;
        for (currency, sum) in sums {
            let shown = sum.to_string().parse().unwrap_or(f64::NAN);
            self.metrics
                .sum
                .with_label_values(&[currency.code()])
                .set(shown);
            if sum != 0 {
                found.fail(SUM, || format!("{}: {sum}", currency.code()));
            }
        }
        self.metrics.negative.set(negative);
        if negative != 0 {
            found.fail(NEGATIVE, || format!("{negative} wallets"));
        }
        self.report(found);
        Ok(())
    }

    /// Shows how far the system accounts of these currencies are from the end of their range, beyond which nothing more comes in or
    /// goes out.
    async fn show_ranges(
        &self,
        currencies: impl Iterator<Item = Currency>,
    ) -> Result<(), StoreError> {
        let roles = |currency| Role::ALL.map(|role| (system_account(currency, role), role));
        let accounts: HashMap<i64, Role> = currencies.flat_map(roles).collect();
        let ids: Vec<i64> = accounts.keys().copied().collect();
        for account in self.store.accounts(&ids).await? {
            let Some(role) = accounts.get(&account.id) else {
                continue;
            };
            self.metrics
                .range_used
                .with_label_values(&[role.name(), account.currency.code()])
                .set(share_of_range(account.balance));
        }
        Ok(())
    }

    /// The next page of the walk over the whole log; after its end it begins anew.
    pub async fn audit_whole(&mut self) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        let mut found = Findings::default();
        let more = if self.whole.is_at(head.seq) {
            self.whole.at_head(&head, &mut found);
            false
        } else {
            let store = self.store.clone();
            self.whole.step(&*store, PAGE, head.seq, &mut found).await?
        };
        // Nothing is compared on this walk: accounts have moved on.
        self.whole.take_touched();
        self.whole.forget();
        self.metrics.whole_seq.set(self.whole.seq());
        if !more || !found.is_empty() {
            self.whole = Walk::from_the_start(&self.policy);
        }
        self.report(found);
        Ok(())
    }

    /// Shows and keeps what was found; logs what is new.
    fn report(&mut self, found: Findings) {
        for (rule, why) in found.iter() {
            self.metrics.failed.with_label_values(&[rule.id]).set(1);
            if !self.findings.has(rule) {
                tracing::error!(check = rule.id, why, "LEDGER CORRUPT: {}", rule.sentence);
            }
        }
        self.findings.add(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_range_is_told_on_both_sides_of_zero() {
        for (balance, share) in [
            (0, 0.0),
            (1 << 60, 0.125),
            (-(1 << 60), 0.125),
            (i64::MAX, 1.0),
            (i64::MIN, 1.0),
        ] {
            let told = share_of_range(balance);
            assert!((told - share).abs() < 0.000_02, "{balance}: {told}");
        }
    }
}
