//! The metrics of a follower.

use http_server::Metrics;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge};

/// Upper bounds in seconds: a catch-up without news is a round trip, one that builds the model anew takes minutes.
const DURATION_BUCKETS_S: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// The metrics of a follower. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct FollowerMetrics {
    pub(crate) lag: IntGauge,
    pub(crate) applied: IntCounter,
    pub(crate) duration: Histogram,
    pub(crate) mismatch: IntGauge,
}

impl FollowerMetrics {
    /// Makes them part of the service's metrics.
    pub fn register(metrics: &Metrics) -> anyhow::Result<FollowerMetrics> {
        let own = FollowerMetrics {
            lag: IntGauge::new(
                "follower_lag_entries",
                "Entries of the ledger's log that are not applied yet, as of the last look.",
            )?,
            applied: IntCounter::new(
                "follower_applied_total",
                "Entries of the ledger's log that this process applied.",
            )?,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "follower_catch_up_duration_seconds",
                    "Duration of catch-ups that reached the head.",
                )
                .buckets(DURATION_BUCKETS_S.to_vec()),
            )?,
            mismatch: IntGauge::new(
                "follower_ledger_mismatch",
                "1 while the ledger is not the one that the database here belongs to, and is not followed.",
            )?,
        };
        metrics.register(own.mismatch.clone())?;
        metrics.register(own.lag.clone())?;
        metrics.register(own.applied.clone())?;
        metrics.register(own.duration.clone())?;
        Ok(own)
    }
}
