//! What the wallet sells, in terms of the ledger: the table of kinds, and the orders that requests become.
//!
//! A new kind of movement is a row of [`KINDS`] and a function here, a route in a service, and nothing in the ledger.

mod limits;

use ledger_api::{Actor, Description, Holder, Kind, Kinds, NewPosting, Operation, Party, Role};
use money::Amount;

pub use limits::{first_limits, limit_exceeded};

/// Money comes in from outside.
pub const TOPUP: Kind = Kind {
    credited: Description::plain("Top up"),
    ..Kind::new(1, "topup", Holder::System(Role::In), Holder::Wallet)
};
/// Money goes to a merchant. Payments have numbers: their ids.
pub const PAYMENT: Kind = Kind {
    numbered: true,
    debited: Description::with_note("Payment to ", "a merchant"),
    ..Kind::new(2, "payment", Holder::Wallet, Holder::System(Role::Out))
};
/// Money goes to another user.
pub const TRANSFER: Kind = Kind {
    debited: Description::with_user("Transfer to user "),
    credited: Description::with_user("Transfer from user "),
    ..Kind::new(3, "transfer", Holder::Wallet, Holder::Wallet)
};
/// Money goes out on behalf of a service.
pub const WITHDRAWAL: Kind = Kind {
    debited: Description::with_note("", "Withdrawal"),
    ..Kind::new(4, "withdrawal", Holder::Wallet, Holder::System(Role::Out))
};

/// Every kind of posting. A code means the same forever: the log has it.
pub const KINDS: Kinds = Kinds::new(&[TOPUP, PAYMENT, TRANSFER, WITHDRAWAL]);

/// The calls of users that take an `Idempotency-Key` and become an order to the ledger. The ledger's key is made of such a name and the
/// client's key, so that a call can be found again by both.
pub const KEYED_ROUTES: &[&str] = &[
    "POST /wallets",
    "POST /wallets/{id}/topup",
    "POST /payments/pay",
    "POST /payments/transfer",
];

/// The user puts `amount` into their own wallet.
pub fn top_up(wallet_id: i64, user_id: i64, amount: Amount) -> Operation {
    posting(
        &TOPUP,
        Party::System(Role::In),
        Party::Wallet(wallet_id),
        amount,
        Actor::User(user_id),
    )
    .into()
}

/// A service brings money in from outside; `reference` says what it is there.
pub fn deposit(wallet_id: i64, by: Actor, amount: Amount, reference: String) -> Operation {
    NewPosting {
        note: Some(reference),
        ..posting(
            &TOPUP,
            Party::System(Role::In),
            Party::Wallet(wallet_id),
            amount,
            by,
        )
    }
    .into()
}

/// The user pays a merchant from their own wallet.
pub fn pay(wallet_id: i64, user_id: i64, merchant: impl Into<String>, amount: Amount) -> Operation {
    NewPosting {
        note: Some(merchant.into()),
        ..posting(
            &PAYMENT,
            Party::Wallet(wallet_id),
            Party::System(Role::Out),
            amount,
            Actor::User(user_id),
        )
    }
    .into()
}

/// The user sends money from their own wallet to another user's wallet of the same currency.
pub fn transfer(from_wallet_id: i64, user_id: i64, to_user_id: i64, amount: Amount) -> Operation {
    posting(
        &TRANSFER,
        Party::Wallet(from_wallet_id),
        Party::WalletOf(to_user_id),
        amount,
        Actor::User(user_id),
    )
    .into()
}

/// A service takes money out of a wallet; `purpose` is shown in history.
pub fn withdraw(wallet_id: i64, by: Actor, amount: Amount, purpose: Option<String>) -> Operation {
    NewPosting {
        note: purpose,
        ..posting(
            &WITHDRAWAL,
            Party::Wallet(wallet_id),
            Party::System(Role::Out),
            amount,
            by,
        )
    }
    .into()
}

fn posting(kind: &Kind, debit: Party, credit: Party, amount: Amount, by: Actor) -> NewPosting {
    NewPosting {
        kind: kind.code,
        debit,
        credit,
        amount,
        by,
        draws_on: None,
        expires_in: None,
        note: None,
    }
}
