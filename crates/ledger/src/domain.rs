//! The rules of the ledger: pure, without I/O, clock or randomness.
//!
//! [`Books`] is what a writer remembers: where the log ends, and accounts as they stand there. A [`Draft`] decides orders one after
//! the other on top of the books without changing them. What it comes to is merged into them while it is being committed, so that the
//! next can be decided meanwhile, and undone when nothing comes of it.
//!
//! What must hold: every movement takes from one account what it gives another; no wallet goes below zero or above
//! [`Amount::MAX`]; a refused order changes nothing.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]

mod books;
pub mod chain;
mod decide;
pub mod merkle;

pub use books::{Account, Books, Head, Undo, User};
pub use decide::{Batch, Draft, LogRow};

use ledger_api::{Entry, Event, Operation, TransferKind};
use money::{Amount, Currency};

/// The account that money comes in from: every top-up of a currency debits it, so it holds minus what came in.
pub fn money_in(currency: Currency) -> i64 {
    system_account(currency, 1)
}

/// The account that money goes out to: it holds what merchants and withdrawals got.
pub fn money_out(currency: Currency) -> i64 {
    system_account(currency, 2)
}

/// The system's accounts have negative ids made of the currency's ISO number, so that nobody has to look them up.
fn system_account(currency: Currency, role: i64) -> i64 {
    i64::from(currency.numeric())
        .saturating_mul(10)
        .saturating_add(role)
        .saturating_neg()
}

/// The wallets and users that an order may touch, besides the system's accounts.
pub fn needs(operation: &Operation) -> (Option<i64>, Option<i64>) {
    match operation {
        Operation::TopUp { wallet_id, .. }
        | Operation::Pay { wallet_id, .. }
        | Operation::Deduct { wallet_id, .. }
        | Operation::SetStatus { wallet_id, .. } => (Some(*wallet_id), None),
        Operation::Transfer {
            from_wallet_id,
            to_user_id,
            ..
        } => (Some(*from_wallet_id), Some(*to_user_id)),
        Operation::OpenWallet { user_id, .. } | Operation::CloseUser { user_id } => {
            (None, Some(*user_id))
        }
    }
}

/// Whether an entry is what this operation asks for. The row has everything that the request had, so it serves as the
/// request's fingerprint: a key that comes again with another body finds an entry that does not match.
pub fn matches(operation: &Operation, entry: &Entry) -> bool {
    match (operation, &entry.event) {
        (
            Operation::TopUp {
                wallet_id,
                user_id,
                amount,
            },
            Event::Transfer(t),
        ) => {
            t.kind == TransferKind::Topup
                && t.credit.account == *wallet_id
                && t.credit.user_id == Some(*user_id)
                && t.amount == *amount
        }
        (
            Operation::Pay {
                wallet_id,
                user_id,
                merchant,
                amount,
            },
            Event::Transfer(t),
        ) => {
            t.kind == TransferKind::Payment
                && t.debit.account == *wallet_id
                && t.debit.user_id == Some(*user_id)
                && t.amount == *amount
                && t.description.as_ref() == Some(merchant)
        }
        (
            Operation::Transfer {
                from_wallet_id,
                user_id,
                to_user_id,
                amount,
            },
            Event::Transfer(t),
        ) => {
            t.kind == TransferKind::Transfer
                && t.debit.account == *from_wallet_id
                && t.debit.user_id == Some(*user_id)
                && t.credit.user_id == Some(*to_user_id)
                && t.amount == *amount
        }
        (
            Operation::Deduct {
                wallet_id,
                amount,
                description,
            },
            Event::Transfer(t),
        ) => {
            t.kind == TransferKind::Withdrawal
                && t.debit.account == *wallet_id
                && t.amount == *amount
                && t.description == *description
        }
        (
            Operation::OpenWallet { user_id, currency },
            Event::WalletOpened {
                user_id: of,
                currency: in_currency,
                ..
            },
        ) => user_id == of && currency == in_currency,
        (
            Operation::SetStatus { wallet_id, status },
            Event::StatusChanged {
                wallet_id: of,
                status: to,
            },
        ) => wallet_id == of && status == to,
        (Operation::CloseUser { user_id }, Event::UserClosed { user_id: of }) => user_id == of,
        _ => false,
    }
}

/// The limits of a wallet's balance after a movement.
fn wallet_balance(balance: i64) -> bool {
    (0..=Amount::MAX.units()).contains(&balance)
}
