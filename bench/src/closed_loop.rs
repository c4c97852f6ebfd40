//! Callers that ask again as soon as they are answered, and how much they get done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// The state that callers share with who measures them. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Progress {
    /// Returns whether a caller shall end.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Counts something that is done; gives how much was done before.
    pub(crate) fn count(&self) -> u64 {
        self.done.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of calls that are done.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The calls that are done a second over this span, after a time to warm up.
    pub(crate) async fn rate(&self, warm_up: Duration, span: Duration) -> f64 {
        tokio::time::sleep(warm_up).await;
        let (began, before) = (Instant::now(), self.done());
        tokio::time::sleep(span).await;
        (self.done() - before) as f64 / began.elapsed().as_secs_f64()
    }

    /// Ends the callers, and waits for them.
    pub(crate) async fn end(
        &self,
        callers: Vec<JoinHandle<anyhow::Result<()>>>,
    ) -> anyhow::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await??;
        }
        Ok(())
    }
}
