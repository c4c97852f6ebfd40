//! Follows the ledger's log: who has which wallet, what happened to it, and what that sums up to.

use feed_follower::{Position, ReadModel};
use ledger_api::Entry;
use tokio::sync::watch;

use crate::domain::Batch;
use crate::store::Store;

/// The read model of history.
pub(crate) struct History {
    store: Store,
    moved: watch::Sender<i64>,
}

impl History {
    pub(crate) fn new(store: Store) -> History {
        History {
            store,
            moved: watch::Sender::new(0),
        }
    }

    /// Where the model is in the log, as this process saw it last; also where another process moved it there.
    pub(crate) fn moved(&self) -> watch::Receiver<i64> {
        self.moved.subscribe()
    }

    fn note(&self, seq: i64) {
        self.moved.send_if_modified(|known| {
            let is_news = *known != seq;
            *known = seq;
            is_news
        });
    }
}

#[async_trait::async_trait]
impl ReadModel for History {
    async fn position(&self) -> anyhow::Result<Position> {
        let position = self.store.position().await?;
        self.note(position.seq);
        Ok(position)
    }

    async fn apply(&self, from: i64, entries: &[Entry], to: &Position) -> anyhow::Result<bool> {
        let batch = Batch::after(0, entries, self.store.kinds())?;
        let is_applied = self.store.append(from, to, &batch).await?;
        if is_applied {
            self.note(to.seq);
        }
        Ok(is_applied)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {

    use ledger_api::{Actor, Event, Leg, Posting};
    use money::{Amount, Currency};
    use store::Database;
    use testing::{TestDatabase, every_database};

    use super::*;
    use crate::STEPS;

    /// Wallets 1 to `users`, then transfers from each to the next, and payments.
    fn log(users: i64, transfers: i64) -> Vec<Entry> {
        let opened = (1..=users).map(|id| Event::WalletOpened {
            wallet_id: id,
            user_id: id,
            currency: Currency::IDR,
        });
        let leg = |account: i64| Leg {
            account,
            user_id: (account > 0).then_some(account),
            balance: 7,
        };
        let moved = (0..transfers).map(|count| {
            let from = count % users + 1;
            let is_payment = count % 2 == 0;
            Event::Posted(Posting {
                kind: if is_payment {
                    wallet_api::PAYMENT.code
                } else {
                    wallet_api::TRANSFER.code
                },
                debit: leg(from),
                credit: leg(if is_payment { -1 } else { from % users + 1 }),
                amount: Amount::new(3).unwrap(),
                currency: Currency::IDR,
                number: is_payment.then_some(count),
                by: Actor::User(from),
                draws_on: None,
                group: None,
                expires_at: None,
                note: is_payment.then(|| "Tokopedia".to_owned()),
            })
        });
        let entries = opened.chain(moved).zip(1..).map(|(event, seq)| Entry {
            seq,
            at: seq,
            event,
        });
        entries.collect()
    }

    async fn model(database: &TestDatabase) -> History {
        let config = database.config("transaction");
        let database = Database::open(&config).await.unwrap();
        database.migrate(&config, STEPS).await.unwrap();
        History::new(Store::new(database, &wallet_api::KINDS))
    }

    fn at(seq: i64) -> Position {
        Position {
            seq,
            ledger: Some(ledger_api::Uuid::from_u128(1)),
            mark: Some(format!("the mark of {seq}")),
        }
    }

    async fn apply(model: &History, from: i64, entries: &[Entry]) -> bool {
        let to = at(entries.last().unwrap().seq);
        model.apply(from, entries, &to).await.unwrap()
    }

    #[tokio::test]
    async fn entries_are_applied_once_although_several_processes_try() {
        for database in every_database().await {
            let log = log(10, 400);
            let models = [
                model(&database).await,
                model(&database).await,
                model(&database).await,
            ];
            let follow = |model: &'_ History| {
                let log = log.clone();
                let store = model.store.clone();
                async move {
                    let model = History::new(store);
                    let mut applied = 0;
                    loop {
                        let position = model.position().await.unwrap().seq;
                        let rest = &log[usize::try_from(position).unwrap()..];
                        if rest.is_empty() {
                            return applied;
                        }
                        let page = &rest[..rest.len().min(7)];
                        if apply(&model, position, page).await {
                            applied += page.len();
                        }
                    }
                }
            };
            let applied = futures_util::future::join_all(models.iter().map(follow)).await;
            assert_eq!(applied.iter().sum::<usize>(), log.len());
            let store = &models[0].store;
            let expected = Batch::after(0, &log, &wallet_api::KINDS).unwrap();
            let kept = store.whole().await.unwrap().kept;
            assert_eq!(kept, expected.sums);
            for movement in expected.movements {
                assert_eq!(store.find(movement.id).await.unwrap(), Some(movement));
            }
        }
    }

    #[tokio::test]
    async fn entries_for_another_position_change_nothing() {
        for database in every_database().await {
            let (model, log) = (model(&database).await, log(2, 4));
            assert!(apply(&model, 0, &log[..3]).await);
            for position in [0, 2, 4] {
                assert!(!apply(&model, position, &log[3..]).await);
            }
            assert_eq!(model.position().await.unwrap(), at(3));
            assert_eq!(model.store.find(2).await.unwrap(), None);
            assert!(apply(&model, 3, &log[3..]).await);
            assert_eq!(model.position().await.unwrap(), at(6));
            let rows = Batch::after(0, &log, &wallet_api::KINDS).unwrap().movements;
            assert_eq!(model.store.find(2).await.unwrap().as_ref(), rows.get(1));
        }
    }
}
