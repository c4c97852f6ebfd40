//! Sending spans away, and saying so when they are not taken. The SDK drops what it cannot send, without a word: its own log would tell
//! of every batch.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::Needed;

static SENT: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// Spans of this process that its collector took, and that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedSpans {
    /// Taken.
    pub sent: u64,
    /// Refused, or not reached: they are gone.
    pub lost: u64,
}

/// The numbers of this process's spans that were sent and lost so far.
pub fn exported_spans() -> ExportedSpans {
    ExportedSpans {
        sent: SENT.load(Ordering::Relaxed),
        lost: LOST.load(Ordering::Relaxed),
    }
}

/// An exporter whose failures are counted, and logged once when they begin and once when they are over.
#[derive(Debug)]
pub(crate) struct Watched<E> {
    exporter: E,
    collector: Mutex<Needed>,
}

impl<E> Watched<E> {
    pub(crate) fn new(exporter: E) -> Watched<E> {
        Watched {
            exporter,
            collector: Mutex::new(Needed::new("the collector of traces")),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let result = self.exporter.export(batch).await;
        let mut collector = self
            .collector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(()) => {
                SENT.fetch_add(spans, Ordering::Relaxed);
                collector.is_there();
            }
            Err(error) => {
                LOST.fetch_add(spans, Ordering::Relaxed);
                collector.is_away(error);
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
