//! What the ledger measures.

use http_server::Metrics;
use ledger_api::{Kinds, Refusal};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use crate::domain::Batch;

/// The ledger's metrics. Cheap to clone.
#[derive(Clone)]
pub struct LedgerMetrics {
    pub(super) batches: IntCounter,
    pub(super) batch_size: Histogram,
    pub(super) commit_seconds: Histogram,
    pub(super) head: IntGauge,
    pub(super) head_moved: IntCounter,
    pub(super) key_taken: IntCounter,
    pub(super) waiting: IntGauge,
    pub(super) forwarded: IntCounter,
    pub(super) forward_failed: IntCounter,
    kinds: &'static Kinds,
    transfers: IntCounterVec,
    value: IntCounterVec,
    limited: IntCounterVec,
    feed_lag: IntGaugeVec,
}

impl LedgerMetrics {
    /// Registers them.
    pub fn register(metrics: &Metrics, kinds: &'static Kinds) -> anyhow::Result<LedgerMetrics> {
        let sizes = vec![
            1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
        ];
        let seconds = vec![
            0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0,
        ];
        let made = LedgerMetrics {
            kinds,
            batches: IntCounter::new("ledger_batches_total", "Commits of the ledger.")?,
            batch_size: Histogram::with_opts(
                HistogramOpts::new("ledger_batch_size", "Entries in one commit.").buckets(sizes),
            )?,
            commit_seconds: Histogram::with_opts(
                HistogramOpts::new("ledger_commit_seconds", "How long commits took.")
                    .buckets(seconds),
            )?,
            head: IntGauge::new(
                "ledger_head",
                "The number of the newest entry that this process knows.",
            )?,
            head_moved: IntCounter::new(
                "ledger_head_moved_total",
                "Batches that were decided again because another replica had written.",
            )?,
            key_taken: IntCounter::new(
                "ledger_key_taken_total",
                "Batches that were decided again because a key was there already.",
            )?,
            waiting: IntGauge::new("ledger_waiting_calls", "Calls that wait for the writer.")?,
            forwarded: IntCounter::new(
                "ledger_passed_on_total",
                "Orders that another process carried out, because it was the last to write.",
            )?,
            forward_failed: IntCounter::new(
                "ledger_passed_on_failed_total",
                "Calls to another process that writes which it did not answer.",
            )?,
            transfers: IntCounterVec::new(
                Opts::new(
                    "ledger_transfers_total",
                    "Movements of money, by type and currency.",
                ),
                &["type", "currency"],
            )?,
            value: IntCounterVec::new(
                Opts::new(
                    "ledger_value_total",
                    "Money moved, by type and currency, in the currency's smallest unit.",
                ),
                &["type", "currency"],
            )?,
            limited: IntCounterVec::new(
                Opts::new(
                    "ledger_limited_total",
                    "Movements that a limit of the caller's own wallet refused, by limit.",
                ),
                &["limit"],
            )?,
            feed_lag: IntGaugeVec::new(
                Opts::new(
                    "ledger_feed_lag",
                    "How many entries each follower of the log was behind when it last asked.",
                ),
                &["follower"],
            )?,
        };
        metrics.register(made.batches.clone())?;
        metrics.register(made.batch_size.clone())?;
        metrics.register(made.commit_seconds.clone())?;
        metrics.register(made.head.clone())?;
        metrics.register(made.head_moved.clone())?;
        metrics.register(made.key_taken.clone())?;
        metrics.register(made.waiting.clone())?;
        metrics.register(made.forwarded.clone())?;
        metrics.register(made.forward_failed.clone())?;
        metrics.register(made.transfers.clone())?;
        metrics.register(made.value.clone())?;
        metrics.register(made.limited.clone())?;
        metrics.register(made.feed_lag.clone())?;
        Ok(made)
    }

    /// A follower asked for what comes after `after`, and the log ends at `head`.
    pub fn followed(&self, follower: &str, after: i64, head: i64) {
        self.feed_lag
            .with_label_values(&[follower])
            .set(head.saturating_sub(after));
    }

    /// A limit refused an order, and that is the last word.
    pub(super) fn refused(&self, reason: Refusal) {
        if let Refusal::LimitExceeded(exceeded) = reason {
            self.limited
                .with_label_values(&[exceeded.limit.as_str()])
                .inc();
        }
    }

    pub(super) fn committed(&self, batch: &Batch, seconds: f64) {
        self.batches.inc();
        self.batch_size
            .observe(u32::try_from(batch.rows.len()).map_or(f64::INFINITY, f64::from));
        self.commit_seconds.observe(seconds);
        self.head.set(batch.head.seq);
        for row in &batch.rows {
            if let Some(posting) = row.entry.event.as_posting() {
                let kind = self.kinds.get(posting.kind);
                let labels = [
                    kind.map_or("unknown", |kind| kind.name),
                    posting.currency.code(),
                ];
                self.transfers.with_label_values(&labels).inc();
                self.value
                    .with_label_values(&labels)
                    .inc_by(posting.amount.units().unsigned_abs());
            }
        }
    }
}
