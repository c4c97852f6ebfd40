//! A table of kinds for tests, with one of each sort, and orders of them.

use ledger_api::{
    Actor, Counts, DrawnWhen, Draws, Holder, Kind, Kinds, NewPosting, Operation, Party, Role,
    Service,
};

use super::idr;

pub const TOPUP: Kind = Kind::new(1, "topup", Holder::System(Role::In), Holder::Wallet);
pub const PAYMENT: Kind = Kind {
    numbered: true,
    ..Kind::new(2, "payment", Holder::Wallet, Holder::System(Role::Out))
};
pub const TRANSFER: Kind = Kind::new(3, "transfer", Holder::Wallet, Holder::Wallet);
pub const WITHDRAWAL: Kind = Kind::new(4, "withdrawal", Holder::Wallet, Holder::System(Role::Out));
pub const HOLD: Kind = Kind {
    expires: true,
    ..Kind::new(5, "hold", Holder::Wallet, Holder::System(Role::Held))
};
pub const CAPTURE: Kind = Kind {
    numbered: true,
    counts: Counts::Neither,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: false,
        when: DrawnWhen::BeforeExpiry,
    }),
    ..Kind::new(
        6,
        "capture",
        Holder::System(Role::Held),
        Holder::System(Role::Out),
    )
};
pub const RELEASE: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    ..Kind::new(7, "release", Holder::System(Role::Held), Holder::Wallet)
};
pub const REFUND: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[PAYMENT.code, CAPTURE.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    ..Kind::new(8, "refund", Holder::System(Role::Out), Holder::Wallet)
};
/// Gives what is left of a hold back once it has expired.
pub const EXPIRY: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: true,
        when: DrawnWhen::AfterExpiry,
    }),
    ..Kind::new(12, "expiry", Holder::System(Role::Held), Holder::Wallet)
};
/// Takes a transfer back, also from a wallet that is frozen.
pub const REVERSAL: Kind = Kind {
    counts: Counts::Neither,
    debits_frozen: true,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[TRANSFER.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    ..Kind::new(13, "reversal", Holder::Wallet, Holder::Wallet)
};
pub const FEE: Kind = Kind::new(9, "fee", Holder::Wallet, Holder::System(Role::Fees));
pub const SOLD: Kind = Kind::new(10, "sold", Holder::Wallet, Holder::System(Role::Exchange));
pub const BOUGHT: Kind = Kind::new(11, "bought", Holder::System(Role::Exchange), Holder::Wallet);

pub static KINDS: Kinds = Kinds::new(&[
    TOPUP, PAYMENT, TRANSFER, WITHDRAWAL, HOLD, CAPTURE, RELEASE, REFUND, FEE, SOLD, BOUGHT,
    EXPIRY, REVERSAL,
]);

/// A posting of this kind between these parties.
pub fn posting(kind: Kind, debit: Party, credit: Party, amount: i64, by: Actor) -> NewPosting {
    NewPosting {
        kind: kind.code,
        debit,
        credit,
        amount: Some(idr(amount)),
        by,
        draws_on: None,
        expires_in: None,
        note: None,
    }
}

/// A posting from a user's own wallet to the system's account that its kind credits.
pub fn from_wallet(kind: Kind, wallet_id: i64, user_id: i64, amount: i64) -> NewPosting {
    let Holder::System(role) = kind.credit else {
        panic!("{} goes to a wallet", kind.name)
    };
    let (debit, credit) = (Party::Wallet(wallet_id), Party::System(role));
    posting(kind, debit, credit, amount, Actor::User(user_id))
}

/// A posting into a user's own wallet from the system's account that its kind debits.
pub fn into_wallet(kind: Kind, wallet_id: i64, user_id: i64, amount: i64) -> NewPosting {
    let Holder::System(role) = kind.debit else {
        panic!("{} comes from a wallet", kind.name)
    };
    let (debit, credit) = (Party::System(role), Party::Wallet(wallet_id));
    posting(kind, debit, credit, amount, Actor::User(user_id))
}

pub fn top_up(wallet_id: i64, user_id: i64, amount: i64) -> Operation {
    into_wallet(TOPUP, wallet_id, user_id, amount).into()
}

pub fn pay(wallet_id: i64, user_id: i64, amount: i64) -> Operation {
    pay_to(wallet_id, user_id, "Tokopedia", amount)
}

pub fn pay_to(wallet_id: i64, user_id: i64, merchant: &str, amount: i64) -> Operation {
    NewPosting {
        note: Some(merchant.to_owned()),
        ..from_wallet(PAYMENT, wallet_id, user_id, amount)
    }
    .into()
}

pub fn transfer(from_wallet_id: i64, user_id: i64, to_user_id: i64, amount: i64) -> Operation {
    let (debit, credit) = (Party::Wallet(from_wallet_id), Party::WalletOf(to_user_id));
    posting(TRANSFER, debit, credit, amount, Actor::User(user_id)).into()
}

/// A withdrawal on behalf of a service.
pub fn withdraw(wallet_id: i64, amount: i64) -> Operation {
    NewPosting {
        by: Actor::Service(Service::Payment),
        ..from_wallet(WITHDRAWAL, wallet_id, 0, amount)
    }
    .into()
}

/// A hold that ends after so many seconds.
pub fn hold(wallet_id: i64, user_id: i64, amount: i64, expires_in: u32) -> NewPosting {
    NewPosting {
        expires_in: Some(expires_in),
        ..from_wallet(HOLD, wallet_id, user_id, amount)
    }
}

/// Takes a part of a hold for good, on behalf of a service.
pub fn capture(hold: i64, amount: i64) -> NewPosting {
    let (debit, credit) = (Party::System(Role::Held), Party::System(Role::Out));
    NewPosting {
        draws_on: Some(hold),
        ..posting(CAPTURE, debit, credit, amount, SERVICE)
    }
}

/// Gives a part of a hold back.
pub fn release(hold: i64, wallet_id: i64, amount: i64) -> NewPosting {
    NewPosting {
        draws_on: Some(hold),
        by: SERVICE,
        ..into_wallet(RELEASE, wallet_id, 0, amount)
    }
}

/// Gives a part of a payment back.
pub fn refund(payment: i64, wallet_id: i64, amount: i64) -> NewPosting {
    NewPosting {
        draws_on: Some(payment),
        by: SERVICE,
        ..into_wallet(REFUND, wallet_id, 0, amount)
    }
}

pub const SERVICE: Actor = Actor::Service(Service::Payment);
