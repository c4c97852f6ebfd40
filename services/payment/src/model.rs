//! Follows the ledger's log: of everything that happens it keeps payments, holds and refunds.

use feed_follower::{Position, ReadModel};
use ledger_api::Entry;

use crate::changes::Changes;
use crate::store::Store;

/// The read model of payments.
pub(crate) struct Payments {
    store: Store,
}

impl Payments {
    pub(crate) fn new(store: Store) -> Payments {
        Payments { store }
    }
}

#[async_trait::async_trait]
impl ReadModel for Payments {
    async fn position(&self) -> anyhow::Result<Position> {
        Ok(self.store.position().await?)
    }

    async fn apply(&self, from: i64, entries: &[Entry], to: &Position) -> anyhow::Result<bool> {
        Ok(self.store.append(from, to, Changes::of(entries)).await?)
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
    use testing::every_database;

    use super::*;
    use crate::STEPS;
    use crate::domain::Payment;

    /// Payments and top-ups of one user, in turns.
    fn log(length: i64) -> Vec<Entry> {
        let leg = |account: i64| Leg {
            account,
            user_id: (account > 0).then_some(1),
            balance: 7,
        };
        let entries = (1..=length).map(|seq| {
            let is_payment = seq % 2 == 0;
            let (wallet, outside) = (leg(1), leg(-1));
            Entry {
                seq,
                at: seq,
                event: Event::Posted(Posting {
                    kind: if is_payment {
                        wallet_api::PAYMENT.code
                    } else {
                        wallet_api::TOPUP.code
                    },
                    debit: if is_payment { wallet } else { outside },
                    credit: if is_payment { outside } else { wallet },
                    amount: Amount::new(seq).unwrap(),
                    currency: Currency::IDR,
                    number: is_payment.then_some(seq / 2),
                    by: Actor::User(1),
                    draws_on: None,
                    group: None,
                    expires_at: None,
                    note: is_payment.then(|| "Tokopedia".to_owned()),
                }),
            }
        });
        entries.collect()
    }

    fn at(seq: i64) -> Position {
        Position {
            seq,
            ledger: Some(ledger_api::Uuid::from_u128(1)),
            mark: Some(format!("the mark of {seq}")),
        }
    }

    async fn apply(model: &Payments, from: i64, entries: &[Entry]) -> bool {
        let to = at(entries.last().unwrap().seq);
        model.apply(from, entries, &to).await.unwrap()
    }

    #[tokio::test]
    async fn only_payments_are_kept_each_once_and_for_the_right_position() {
        for database in every_database().await {
            let config = database.config("payment");
            let open = Database::open(&config).await.unwrap();
            open.migrate(&config, STEPS).await.unwrap();
            let model = Payments::new(Store::new(open));
            // More than one statement's worth.
            let log = log(500);
            assert!(apply(&model, 0, &log[..450]).await);
            for position in [0, 449, 451] {
                assert!(!apply(&model, position, &log[450..]).await);
            }
            assert_eq!(model.position().await.unwrap(), at(450));
            let twice = tokio::join!(
                apply(&model, 450, &log[450..]),
                apply(&model, 450, &log[450..])
            );
            assert_ne!(twice.0, twice.1);
            assert_eq!(model.position().await.unwrap(), at(500));
            for payment in log.iter().filter_map(Payment::of) {
                let found = model.store.find(payment.id).await.unwrap();
                assert_eq!(found, Some(payment));
            }
            assert_eq!(model.store.find(251).await.unwrap(), None);
        }
    }
}
