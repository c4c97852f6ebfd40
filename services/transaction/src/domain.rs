//! What an entry of the log means for the users who are part of it. No I/O, no clock.

use std::collections::BTreeMap;

use clock::Timestamp;
use ledger_api::{Entry, Event, Side, Transfer, TransferKind};
use money::Currency;

/// Ids from here on belong to recorded entries; those from the log stay far below.
pub(crate) const FIRST_RECORDED_ID: i64 = 1 << 52;

/// What kind of row it is: the contract's type and the direction in one. The numbers are in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Topup = 1,
    Payment = 2,
    /// A transfer, as the sender sees it.
    Sent = 3,
    /// A transfer, as the receiver sees it.
    Received = 4,
    Withdrawal = 5,
}

impl Kind {
    pub(crate) fn code(self) -> i16 {
        self as i16
    }

    pub(crate) fn from_code(code: i16) -> Option<Kind> {
        [
            Kind::Topup,
            Kind::Payment,
            Kind::Sent,
            Kind::Received,
            Kind::Withdrawal,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }

    /// The kind of a recorded entry, by its type. A transfer is one that was sent, as it was in the original system.
    pub(crate) fn from_type(word: &str) -> Option<Kind> {
        [Kind::Topup, Kind::Payment, Kind::Sent, Kind::Withdrawal]
            .into_iter()
            .find(|kind| kind.type_word() == word)
    }

    /// The contract's `type`.
    pub(crate) fn type_word(self) -> &'static str {
        match self {
            Kind::Topup => "topup",
            Kind::Payment => "payment",
            Kind::Sent | Kind::Received => "transfer",
            Kind::Withdrawal => "withdrawal",
        }
    }

    /// Whether money came into the wallet.
    pub(crate) fn is_in(self) -> bool {
        matches!(self, Kind::Topup | Kind::Received)
    }

    fn of(transfer: TransferKind, is_credit: bool) -> Kind {
        match transfer {
            TransferKind::Topup => Kind::Topup,
            TransferKind::Payment => Kind::Payment,
            TransferKind::Transfer if is_credit => Kind::Received,
            TransferKind::Transfer => Kind::Sent,
            TransferKind::Withdrawal => Kind::Withdrawal,
        }
    }
}

/// One row of a wallet's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    /// What clients know it by. The log's rows count from 1 without a gap, so that whoever follows the log gives the same ids.
    pub(crate) id: i64,
    /// Which side of which entry it is: twice the entry's number, one more for the side that receives. Recorded: the id.
    pub(crate) side: i64,
    pub(crate) user_id: i64,
    pub(crate) wallet_id: i64,
    pub(crate) kind: Kind,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) description: String,
    pub(crate) counterparty_wallet_id: Option<i64>,
    /// What the wallet held after it; unknown for what was recorded.
    pub(crate) balance_after: Option<i64>,
    pub(crate) payment_id: Option<i64>,
    pub(crate) created_at: Timestamp,
}

impl Movement {
    /// Whether it was recorded by a service, and is no movement of the ledger's.
    pub(crate) fn is_recorded(&self) -> bool {
        self.id >= FIRST_RECORDED_ID
    }

    /// The number of the ledger's entry that it is a side of.
    pub(crate) fn entry(&self) -> Option<i64> {
        (!self.is_recorded()).then_some(self.side / 2)
    }

    /// The rows of one entry: one for each side that is a user's wallet. They have no id yet.
    fn of(entry: &Entry) -> impl Iterator<Item = Movement> {
        let transfer = match &entry.event {
            Event::Transfer(transfer) => Some(transfer),
            _ => None,
        };
        transfer.into_iter().flat_map(|transfer| {
            let debit_side = first_side(entry.seq);
            let credit_side = last_side(entry.seq);
            let (debit, credit) = (&transfer.debit, &transfer.credit);
            [
                Self::of_side(debit_side, entry.at, transfer, debit, credit, false),
                Self::of_side(credit_side, entry.at, transfer, credit, debit, true),
            ]
            .into_iter()
            .flatten()
        })
    }

    fn of_side(
        side: i64,
        at: i64,
        transfer: &Transfer,
        own: &Side,
        other: &Side,
        is_credit: bool,
    ) -> Option<Movement> {
        let kind = Kind::of(transfer.kind, is_credit);
        Some(Movement {
            id: 0,
            side,
            user_id: own.user_id?,
            wallet_id: own.account,
            kind,
            amount: transfer.amount.units(),
            currency: transfer.currency,
            description: description(kind, transfer.description.as_deref(), other),
            counterparty_wallet_id: other.user_id.map(|_| other.account),
            balance_after: Some(own.balance),
            payment_id: transfer.payment_id,
            created_at: Timestamp::from_micros(at),
        })
    }
}

/// The side of an entry that pays.
fn first_side(entry: i64) -> i64 {
    entry.saturating_mul(2)
}

/// The side of an entry that receives, which is the last of an entry.
pub(crate) fn last_side(entry: i64) -> i64 {
    first_side(entry).saturating_add(1)
}

fn description(kind: Kind, said: Option<&str>, other: &Side) -> String {
    let other = other.user_id.unwrap_or_default();
    match kind {
        Kind::Topup => "Top up".to_owned(),
        Kind::Payment => format!("Payment to {}", said.unwrap_or("a merchant")),
        Kind::Sent => format!("Transfer to user {other}"),
        Kind::Received => format!("Transfer from user {other}"),
        Kind::Withdrawal => said.unwrap_or("Withdrawal").to_owned(),
    }
}

/// A wallet, as far as history needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wallet {
    pub(crate) wallet_id: i64,
    pub(crate) user_id: i64,
    pub(crate) currency: Currency,
}

/// What a user's entries of one currency sum up to. A sum that reaches 2^63 - 1 stays there: it is a figure to look at, and
/// no money is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) entries: i64,
    pub(crate) topup: i64,
    pub(crate) payment: i64,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) withdrawal: i64,
}

impl Totals {
    /// Counts one more.
    pub(crate) fn add(&mut self, kind: Kind, amount: i64) {
        let sum = match kind {
            Kind::Topup => &mut self.topup,
            Kind::Payment => &mut self.payment,
            Kind::Sent => &mut self.sent,
            Kind::Received => &mut self.received,
            Kind::Withdrawal => &mut self.withdrawal,
        };
        *sum = sum.saturating_add(amount);
        self.entries = self.entries.saturating_add(1);
    }

    /// Counts all that the other counted.
    pub(crate) fn add_all(&mut self, other: &Totals) {
        for (sum, more) in [
            (&mut self.entries, other.entries),
            (&mut self.topup, other.topup),
            (&mut self.payment, other.payment),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.withdrawal, other.withdrawal),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    /// The contract's `net_amount`: what came in by top-ups, less what was paid and sent.
    pub(crate) fn net(&self) -> i64 {
        self.topup
            .saturating_sub(self.payment)
            .saturating_sub(self.sent)
    }
}

/// What a stretch of the log adds to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) opened: Vec<Wallet>,
    /// In the order of the log.
    pub(crate) movements: Vec<Movement>,
    /// By user and currency, and in that order, so that every writer touches the rows in one order.
    pub(crate) totals: BTreeMap<(i64, Currency), Totals>,
}

impl Batch {
    /// What these entries add after the row with the id `last_id`. The store gives ids of its own to what it adds: it knows the last.
    pub(crate) fn after(last_id: i64, entries: &[Entry]) -> Batch {
        let mut batch = Batch::default();
        for entry in entries {
            if let Event::WalletOpened {
                wallet_id,
                user_id,
                currency,
            } = entry.event
            {
                batch.opened.push(Wallet {
                    wallet_id,
                    user_id,
                    currency,
                });
            }
            batch.movements.extend(Movement::of(entry));
        }
        let mut id = last_id;
        for movement in &mut batch.movements {
            id = id.saturating_add(1);
            movement.id = id;
        }
        for movement in &batch.movements {
            batch
                .totals
                .entry((movement.user_id, movement.currency))
                .or_default()
                .add(movement.kind, movement.amount);
        }
        batch
    }
}
