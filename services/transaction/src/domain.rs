//! What an entry of the log means for the users who are part of it. No I/O, no clock.

use std::collections::BTreeMap;

use clock::Timestamp;
use ledger_api::{Description, Ending, Entry, Event, Holder, Kind, KindCode, Kinds, Leg, Posting};
use money::Currency;

/// Ids from here on belong to recorded entries; those from the log stay far below.
pub(crate) const FIRST_RECORDED_ID: i64 = 1 << 52;

/// True if an entry of this kind that a service records is money that came in: a wallet can only receive it. A transfer is one that
/// was sent, as it was in the original system.
pub(crate) fn comes_in(kind: &Kind) -> bool {
    kind.debit != Holder::Wallet
}

/// The kind with this name, if it is one that a service may record: it happens to a wallet, and stands by itself. One that reserves, or
/// draws on another, would mean nothing.
pub(crate) fn recordable(kinds: &Kinds, name: &str) -> Option<&'static Kind> {
    kinds.named(name).filter(|kind| is_recordable(kind))
}

/// The names of the kinds that a service may record.
pub(crate) fn recordable_names(kinds: &Kinds) -> Vec<&'static str> {
    names(kinds, is_recordable)
}

/// The names of the kinds that happen to a wallet.
pub(crate) fn names_in_history(kinds: &Kinds) -> Vec<&'static str> {
    names(kinds, happens_to_wallets)
}

fn names(kinds: &Kinds, is_meant: fn(&Kind) -> bool) -> Vec<&'static str> {
    let kinds = kinds.all().iter().filter(|kind| is_meant(kind));
    kinds.map(|kind| kind.name).collect()
}

fn is_recordable(kind: &Kind) -> bool {
    happens_to_wallets(kind) && kind.draws.is_none() && !kind.expires
}

fn happens_to_wallets(kind: &Kind) -> bool {
    kind.debit == Holder::Wallet || kind.credit == Holder::Wallet
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
    pub(crate) kind: &'static Kind,
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

    /// The sum that it counts in.
    pub(crate) fn sum_of(&self) -> SumOf {
        SumOf {
            user_id: self.user_id,
            currency: self.currency,
            kind: self.kind.code,
            is_in: self.is_in(),
        }
    }

    /// Its share of that sum.
    fn sum(&self) -> Sum {
        Sum {
            entries: 1,
            amount: self.amount,
        }
    }

    /// True if money came into the wallet.
    pub(crate) fn is_in(&self) -> bool {
        match self.entry() {
            Some(entry) => self.side == last_side(entry),
            None => comes_in(self.kind),
        }
    }

    /// The rows of one posting: one for each side that is a user's wallet. They have no id yet.
    fn of(entry: &Entry, posting: &Posting, kind: &'static Kind) -> [Option<Movement>; 2] {
        let row = |side: i64, own: &Leg, other: &Leg, description: Description| {
            Some(Movement {
                id: 0,
                side,
                user_id: own.user_id?,
                wallet_id: own.account,
                kind,
                amount: posting.amount.units(),
                currency: posting.currency,
                description: describe(description, posting, other),
                counterparty_wallet_id: other.user_id.map(|_| other.account),
                balance_after: Some(own.balance),
                payment_id: posting.number,
                created_at: Timestamp::from_micros(entry.at),
            })
        };
        let (debit, credit) = (&posting.debit, &posting.credit);
        [
            row(first_side(entry.seq), debit, credit, kind.debited),
            row(last_side(entry.seq), credit, debit, kind.credited),
        ]
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

/// The text that the owner of one wallet reads, told from the leg of the other.
fn describe(Description { text, ending }: Description, posting: &Posting, other: &Leg) -> String {
    match ending {
        Ending::Nothing => text.to_owned(),
        Ending::Note { otherwise } => {
            format!("{text}{}", posting.note.as_deref().unwrap_or(otherwise))
        }
        Ending::OtherUser => {
            let user_id = other.user_id.map(|user_id| user_id.to_string());
            format!("{text}{}", user_id.unwrap_or_default())
        }
    }
}

/// A wallet, as far as history needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wallet {
    pub(crate) wallet_id: i64,
    pub(crate) user_id: i64,
    pub(crate) currency: Currency,
}

/// The key of one sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SumOf {
    pub(crate) user_id: i64,
    pub(crate) currency: Currency,
    pub(crate) kind: KindCode,
    /// True if it is of money that came in.
    pub(crate) is_in: bool,
}

/// The sum of a user's entries of one currency, kind and direction. An amount that reaches 2^63 - 1 stays there: it is a figure to
/// look at, and no money is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) entries: i64,
    pub(crate) amount: i64,
}

impl Sum {
    /// Counts all that the other counted.
    pub(crate) fn add(&mut self, other: Sum) {
        self.entries = self.entries.saturating_add(other.entries);
        self.amount = self.amount.saturating_add(other.amount);
    }
}

/// Sums, in an order in which every writer touches their rows.
pub(crate) type Sums = BTreeMap<SumOf, Sum>;

/// The figures that the contract names, of one user and currency. A kind that it does not name is only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) entries: i64,
    pub(crate) topup: i64,
    pub(crate) payment: i64,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) withdrawal: i64,
    /// Reserved for merchants, whatever became of it.
    pub(crate) held: i64,
    /// The part of that which came back.
    pub(crate) released: i64,
    pub(crate) refunded: i64,
}

impl Figures {
    /// The figures of these sums, which are of one user and currency.
    pub(crate) fn of(sums: &Sums) -> Figures {
        let amount = |kind: Kind, is_in: bool| {
            let is_it = |of: &SumOf| of.kind == kind.code && of.is_in == is_in;
            let found = sums.iter().filter(|(of, _)| is_it(of));
            found.fold(0_i64, |sum, (_, more)| sum.saturating_add(more.amount))
        };
        let entries = sums.values().map(|sum| sum.entries);
        Figures {
            entries: entries.fold(0, i64::saturating_add),
            topup: amount(wallet_api::TOPUP, true),
            payment: amount(wallet_api::PAYMENT, false),
            sent: amount(wallet_api::TRANSFER, false),
            received: amount(wallet_api::TRANSFER, true),
            withdrawal: amount(wallet_api::WITHDRAWAL, false),
            held: amount(wallet_api::HOLD, false),
            released: amount(wallet_api::RELEASE, true)
                .saturating_add(amount(wallet_api::EXPIRY, true)),
            refunded: amount(wallet_api::REFUND, true),
        }
    }

    /// The contract's `net_amount`: what came in by top-ups, less what was paid and sent.
    pub(crate) fn net(&self) -> i64 {
        self.topup
            .saturating_sub(self.payment)
            .saturating_sub(self.sent)
    }
}

/// The log has a posting of a kind that the table lacks: a release that is newer wrote it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} is of the kind {}, which this release does not know", .kind.0)]
pub(crate) struct UnknownKind {
    seq: i64,
    kind: KindCode,
}

/// What a stretch of the log adds to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) opened: Vec<Wallet>,
    /// In the order of the log.
    pub(crate) movements: Vec<Movement>,
    pub(crate) sums: Sums,
}

impl Batch {
    /// What these entries add after the row with the id `last_id`. The store gives ids of its own to what it adds: it knows the last.
    pub(crate) fn after(
        last_id: i64,
        entries: &[Entry],
        kinds: &Kinds,
    ) -> Result<Batch, UnknownKind> {
        let mut batch = Batch::default();
        for entry in entries {
            match &entry.event {
                Event::WalletOpened {
                    wallet_id,
                    user_id,
                    currency,
                } => batch.opened.push(Wallet {
                    wallet_id: *wallet_id,
                    user_id: *user_id,
                    currency: *currency,
                }),
                Event::Posted(posting) => {
                    let kind = kinds.get(posting.kind).ok_or(UnknownKind {
                        seq: entry.seq,
                        kind: posting.kind,
                    })?;
                    let rows = Movement::of(entry, posting, kind);
                    batch.movements.extend(rows.into_iter().flatten());
                }
                Event::StatusChanged { .. }
                | Event::UserClosed { .. }
                | Event::TierChanged { .. }
                | Event::LimitsChanged { .. } => {}
            }
        }
        let mut id = last_id;
        for movement in &mut batch.movements {
            id = id.saturating_add(1);
            movement.id = id;
            batch
                .sums
                .entry(movement.sum_of())
                .or_default()
                .add(movement.sum());
        }
        Ok(batch)
    }
}
