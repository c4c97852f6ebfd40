//! Reads that wait together are one query: it answers everybody who asked since the one before was sent.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use api_error::ApiError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::fault::{Fault, fault_in};

/// Readers that may wait; more wait at the door.
const WAITING_MAX: usize = 4096;
/// Queries under way at once.
const QUERIES_MAX: usize = 2;

/// The database did not answer. What it said is logged once, for all who waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database cannot be read")]
pub struct Unreadable(Fault);

impl From<Unreadable> for ApiError {
    fn from(Unreadable(fault): Unreadable) -> ApiError {
        match fault {
            // Somebody else's mishap may be among what was read together.
            Fault::Other | Fault::Value => Fault::Away.into(),
            fault => fault.into(),
        }
    }
}

struct Reader<K, V> {
    key: K,
    answer: oneshot::Sender<Result<Option<V>, Unreadable>>,
}

/// Reads of values by key. Cheap to clone; clones share their queries.
///
/// What must hold: a query begins after each of its readers asked, so they see everything that was committed before.
pub struct Together<K, V> {
    queue: mpsc::Sender<Reader<K, V>>,
}

impl<K, V> Clone for Together<K, V> {
    fn clone(&self) -> Together<K, V> {
        Together {
            queue: self.queue.clone(),
        }
    }
}

impl<K, V> Together<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Reads with this query, which gives what there is of the keys, `keys_max` of them at most. Starts the task that gathers; it ends with the last clone.
    pub fn new<F, Q, E>(keys_max: usize, query: F) -> Together<K, V>
    where
        F: Fn(Vec<K>) -> Q + Send + 'static,
        Q: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
        E: Error + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(gather(keys_max, query, waiting));
        Together { queue }
    }

    /// The value of this key.
    pub async fn get(&self, key: K) -> Result<Option<V>, Unreadable> {
        let (answer, value) = oneshot::channel();
        self.queue
            .send(Reader { key, answer })
            .await
            .map_err(|_| Unreadable(Fault::Away))?;
        value.await.map_err(|_| Unreadable(Fault::Away))?
    }
}

async fn gather<K, V, F, Q, E>(keys_max: usize, query: F, mut waiting: mpsc::Receiver<Reader<K, V>>)
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    F: Fn(Vec<K>) -> Q + Send + 'static,
    Q: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    E: Error + Send + 'static,
{
    let places = Arc::new(Semaphore::new(QUERIES_MAX));
    loop {
        // First a place, then the readers: who comes meanwhile reads along.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let mut together = Vec::new();
        if waiting.recv_many(&mut together, keys_max).await == 0 {
            return;
        }
        let values = query(together.iter().map(|reader| reader.key).collect());
        tokio::spawn(async move {
            let values = values.await;
            drop(place);
            let fault = match &values {
                Ok(_) => Fault::Other,
                Err(error) => fault_in(error).unwrap_or(Fault::Other),
            };
            if let Err(error) = &values
                && !fault.is_outage()
            {
                tracing::error!(
                    error = error as &dyn Error,
                    readers = together.len(),
                    "a read that several readers share failed"
                );
            }
            for reader in together {
                // A reader that is gone has given up waiting.
                let _ = reader.answer.send(match &values {
                    Ok(values) => Ok(values.get(&reader.key).cloned()),
                    Err(_) => Err(Unreadable(fault)),
                });
            }
        });
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn who_waits_together_reads_together_and_gets_their_own() {
        let queries = Arc::new(AtomicUsize::new(0));
        let (open, opened) = watch::channel(false);
        let counted = queries.clone();
        let reads = Together::new(512, move |keys: Vec<i64>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut opened = opened.clone();
            async move {
                opened.wait_for(|open| *open).await.unwrap();
                let even = keys.into_iter().filter(|key| key % 2 == 0);
                Ok::<_, std::fmt::Error>(even.map(|key| (key, key * 10)).collect())
            }
        });
        let ask = |key: i64| {
            let reads = reads.clone();
            tokio::spawn(async move { (key, reads.get(key % 10).await) })
        };
        // The first query is under way before the others ask, so they cannot all be in it.
        let mut readers = vec![ask(0)];
        for under_way in 1..=QUERIES_MAX {
            while queries.load(Ordering::Relaxed) < under_way {
                tokio::task::yield_now().await;
            }
            readers.extend((1..100).map(ask));
        }
        open.send(true).unwrap();
        for reader in readers {
            let (key, value) = reader.await.unwrap();
            let key = key % 10;
            assert_eq!(value, Ok((key % 2 == 0).then_some(key * 10)));
        }
        assert!(queries.load(Ordering::Relaxed) < 20, "{queries:?} queries");
    }

    #[tokio::test]
    async fn a_failed_query_fails_for_all_who_waited_and_the_next_one_is_tried() {
        let queries = Arc::new(AtomicUsize::new(0));
        let counted = queries.clone();
        let reads = Together::new(512, move |keys: Vec<i64>| {
            let fails = counted.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if fails {
                    return Err(std::fmt::Error);
                }
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        assert_eq!(reads.get(1).await, Err(Unreadable(Fault::Other)));
        assert_eq!(reads.get(1).await, Ok(Some(1)));
    }
}
