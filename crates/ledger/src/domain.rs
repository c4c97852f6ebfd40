//! The rules of the ledger: pure, without I/O, clock or randomness.
//!
//! [`Books`] is what a writer remembers: where the log ends, and accounts as they stand there. A [`Draft`] decides orders one after
//! the other on top of the books without changing them. What it comes to is merged into them while it is being committed, so that the
//! next can be decided meanwhile, and undone when nothing comes of it.
//!
//! Invariants: every posting takes from one account what it gives another, in one currency; no wallet goes below zero or above
//! [`Amount::MAX`]; nothing is drawn on for more than it moved; a refused order changes nothing. Kinds of postings are told apart by
//! the table of kinds alone: no code here asks for a certain kind.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]

mod books;
pub mod chain;
mod decide;
pub mod limits;
mod matches;
pub mod merkle;
mod policy;
mod post;

pub(crate) use books::held_of;
pub use books::{Account, Books, Head, Remainder, Undo, User};
pub use decide::{Batch, Draft, LogRow};
pub use matches::matches;
pub use policy::Policy;

use ledger_api::{Operation, Party, Role};
use money::{Amount, Currency};

/// The system's account of a role in a currency: its id is a negative number made of both, so that nobody has to look it up.
pub fn system_account(currency: Currency, role: Role) -> i64 {
    i64::from(currency.numeric())
        .saturating_mul(10)
        .saturating_add(role.code())
        .saturating_neg()
}

/// Everything that orders name: a writer looks it up before it decides them.
#[derive(Debug, Default)]
pub struct Named {
    /// Wallets.
    pub wallets: Vec<i64>,
    /// Users.
    pub users: Vec<i64>,
    /// Earlier entries that are drawn on.
    pub drawn: Vec<i64>,
}

impl Named {
    /// Adds what this operation names.
    pub fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Post(postings) => {
                for posting in postings {
                    self.party(posting.debit);
                    self.party(posting.credit);
                    self.drawn.extend(posting.draws_on);
                }
            }
            Operation::OpenWallet { user_id, .. } | Operation::CloseUser { user_id, .. } => {
                self.users.push(*user_id);
            }
            Operation::SetStatus { wallet_id, .. } | Operation::SetTier { wallet_id, .. } => {
                self.wallets.push(*wallet_id);
            }
            Operation::SetLimits { .. } => {}
        }
    }

    fn party(&mut self, party: Party) {
        match party {
            Party::Wallet(id) => self.wallets.push(id),
            Party::WalletOf(user_id) => self.users.push(user_id),
            // Which one it is follows from the currency of the other account.
            Party::System(_) => {}
        }
    }
}

/// True if a wallet may hold this much.
fn is_wallet_balance(balance: i64) -> bool {
    (0..=Amount::MAX.units()).contains(&balance)
}
