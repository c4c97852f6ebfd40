//! What the wallet sells, in terms of the ledger: the table of kinds, and the orders that requests become.
//!
//! A new kind of movement is a row of [`KINDS`] and a function here, a route in a service, and nothing in the ledger.

mod limits;

use ledger_api::{
    Actor, Counts, Description, DrawnWhen, Draws, Holder, Kind, KindCode, Kinds, NewPosting,
    Operation, POSTINGS_MAX, Party, Role, Service,
};
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

/// Money of a wallet is reserved for a merchant for a while. Nobody can spend it meanwhile.
pub const HOLD: Kind = Kind {
    expires: true,
    debited: Description::with_note("Hold for ", "a merchant"),
    ..Kind::new(5, "hold", Holder::Wallet, Holder::System(Role::Held))
};
/// Money that was held goes to the merchant: a payment, with a number of its own.
pub const CAPTURE: Kind = Kind {
    numbered: true,
    counts: Counts::Out,
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
/// Money that was held goes back: the hold was voided, or a last capture left it over.
pub const RELEASE: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: true,
        when: DrawnWhen::BeforeExpiry,
    }),
    credited: Description::plain("Released from a hold"),
    ..Kind::new(7, "release", Holder::System(Role::Held), Holder::Wallet)
};
/// A merchant gives money of a payment back.
pub const REFUND: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[PAYMENT.code, CAPTURE.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    credited: Description::plain("Refund"),
    ..Kind::new(8, "refund", Holder::System(Role::Out), Holder::Wallet)
};
/// Money that was held goes back because the hold has expired.
pub const EXPIRY: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: true,
        when: DrawnWhen::AfterExpiry,
    }),
    credited: Description::plain("Hold expired"),
    ..Kind::new(9, "expiry", Holder::System(Role::Held), Holder::Wallet)
};
/// A refund whose wallet is closed: the money waits for its owner.
pub const UNCLAIMED_REFUND: Kind = Kind {
    counts: Counts::Neither,
    draws: Some(Draws {
        on: &[PAYMENT.code, CAPTURE.code],
        returns: false,
        when: DrawnWhen::Always,
    }),
    ..Kind::new(
        10,
        "unclaimed_refund",
        Holder::System(Role::Out),
        Holder::System(Role::Unclaimed),
    )
};
/// A hold that expired after its wallet was closed: the money waits for its owner.
pub const UNCLAIMED_EXPIRY: Kind = Kind {
    counts: Counts::Neither,
    draws: Some(Draws {
        on: &[HOLD.code],
        returns: false,
        when: DrawnWhen::AfterExpiry,
    }),
    ..Kind::new(
        11,
        "unclaimed_expiry",
        Holder::System(Role::Held),
        Holder::System(Role::Unclaimed),
    )
};

/// An administrator takes a top-up back that should not have been. A frozen wallet does not stand in the way of a reversal, and no limit.
pub const TOPUP_REVERSAL: Kind = Kind {
    counts: Counts::Neither,
    debits_frozen: true,
    draws: Some(Draws {
        on: &[TOPUP.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    debited: Description::plain("Top up taken back"),
    ..Kind::new(
        12,
        "topup_reversal",
        Holder::Wallet,
        Holder::System(Role::In),
    )
};
/// An administrator takes a transfer back that went to the wrong person.
pub const TRANSFER_REVERSAL: Kind = Kind {
    counts: Counts::Neither,
    debits_frozen: true,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[TRANSFER.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    debited: Description::with_user("Transfer taken back by user "),
    credited: Description::with_user("Transfer taken back from user "),
    ..Kind::new(13, "transfer_reversal", Holder::Wallet, Holder::Wallet)
};
/// An administrator takes a withdrawal back that failed outside.
pub const WITHDRAWAL_REVERSAL: Kind = Kind {
    counts: Counts::Neither,
    credits_frozen: true,
    draws: Some(Draws {
        on: &[WITHDRAWAL.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    credited: Description::plain("Withdrawal taken back"),
    ..Kind::new(
        14,
        "withdrawal_reversal",
        Holder::System(Role::Out),
        Holder::Wallet,
    )
};

/// The kinds that a movement can be taken back by, each beside what takes it back. What takes something back itself is not among them.
const REVERSALS: &[(Kind, Kind)] = &[
    (TOPUP, TOPUP_REVERSAL),
    (PAYMENT, REFUND),
    (TRANSFER, TRANSFER_REVERSAL),
    (WITHDRAWAL, WITHDRAWAL_REVERSAL),
    (HOLD, RELEASE),
];

/// Every kind of posting. A code means the same forever: the log has it.
pub const KINDS: Kinds = Kinds::new(&[
    TOPUP,
    PAYMENT,
    TRANSFER,
    WITHDRAWAL,
    HOLD,
    CAPTURE,
    RELEASE,
    REFUND,
    EXPIRY,
    UNCLAIMED_REFUND,
    UNCLAIMED_EXPIRY,
    TOPUP_REVERSAL,
    TRANSFER_REVERSAL,
    WITHDRAWAL_REVERSAL,
]);

/// The shortest time that a hold may have, in seconds.
pub const HOLD_SECONDS_MIN: u32 = 60;
/// The longest time that a hold may have, in seconds: 31 days.
pub const HOLD_SECONDS_MAX: u32 = 31 * 86_400;
/// The time that a hold has where the request names none, in seconds: a week.
pub const HOLD_SECONDS: u32 = 7 * 86_400;

/// The calls of users that take an `Idempotency-Key` and become an order to the ledger. The ledger's key is made of such a name and the
/// client's key, so that a call can be found again by both.
pub const KEYED_ROUTES: &[&str] = &[
    "POST /wallets",
    "POST /wallets/{id}/topup",
    "POST /payments/pay",
    "POST /payments/transfer",
    "POST /payments/authorize",
    "POST /payments/{id}/refunds",
    "POST /payments/{id}/cancel",
    "POST /holds/{id}/capture",
    "POST /holds/{id}/void",
    "POST /holds/{id}/cancel",
    "POST /admin/transactions/{id}/reverse",
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

/// The user has money of their own wallet reserved for a merchant, for so many seconds.
pub fn hold(
    wallet_id: i64,
    user_id: i64,
    merchant: impl Into<String>,
    amount: Amount,
    expires_in: u32,
) -> Operation {
    NewPosting {
        note: Some(merchant.into()),
        expires_in: Some(expires_in),
        ..posting(
            &HOLD,
            Party::Wallet(wallet_id),
            Party::System(Role::Held),
            amount,
            Actor::User(user_id),
        )
    }
    .into()
}

/// A part of a hold becomes a payment; all that is left of it where no amount is given. With `release_rest`, what is left after that goes
/// back to the user in the same order.
pub fn capture(
    hold: i64,
    user_id: i64,
    by: Actor,
    amount: Option<Amount>,
    release_rest: bool,
) -> Operation {
    let captured = NewPosting {
        amount,
        ..drawing(
            &CAPTURE,
            hold,
            Party::System(Role::Held),
            Party::System(Role::Out),
            by,
        )
    };
    let mut postings = vec![captured];
    if release_rest && amount.is_some() {
        postings.push(released(hold, user_id, by));
    }
    Operation::Post(postings)
}

/// All that is left of a hold goes back to the user, for the reason in the note.
pub fn void(hold: i64, user_id: i64, by: Actor, note: Option<String>) -> Operation {
    NewPosting {
        note,
        ..released(hold, user_id, by)
    }
    .into()
}

fn released(hold: i64, user_id: i64, by: Actor) -> NewPosting {
    let (held, user) = (Party::System(Role::Held), Party::WalletOf(user_id));
    drawing(&RELEASE, hold, held, user, by)
}

/// All that is left of a hold that has expired goes back to its wallet.
pub fn expire(hold: i64, wallet_id: i64) -> Operation {
    let (held, wallet) = (Party::System(Role::Held), Party::Wallet(wallet_id));
    drawing(&EXPIRY, hold, held, wallet, LEDGER).into()
}

/// The same where the wallet is closed: the money is kept for its owner.
pub fn expire_unclaimed(hold: i64) -> Operation {
    let (held, unclaimed) = (Party::System(Role::Held), Party::System(Role::Unclaimed));
    drawing(&UNCLAIMED_EXPIRY, hold, held, unclaimed, LEDGER).into()
}

/// The ledger's own service, which acts when a time has come.
const LEDGER: Actor = Actor::Service(Service::Wallet);

/// A part of a payment goes back to the user who paid; all that is left of it where no amount is given.
pub fn refund(
    payment: i64,
    user_id: i64,
    by: Actor,
    amount: Option<Amount>,
    note: Option<String>,
) -> NewPosting {
    let (merchants, user) = (Party::System(Role::Out), Party::WalletOf(user_id));
    NewPosting {
        amount,
        note,
        ..drawing(&REFUND, payment, merchants, user, by)
    }
}

/// The same where the user's wallet is closed: the money is kept for its owner.
pub fn refund_unclaimed(
    payment: i64,
    by: Actor,
    amount: Option<Amount>,
    note: Option<String>,
) -> NewPosting {
    let (merchants, unclaimed) = (Party::System(Role::Out), Party::System(Role::Unclaimed));
    NewPosting {
        amount,
        note,
        ..drawing(&UNCLAIMED_REFUND, payment, merchants, unclaimed, by)
    }
}

/// A hold is undone: what is left of it, and what is left of each of its captures (the numbers of their entries), goes back to the user,
/// all at once. Captures beyond those that one order can undo are left out, and so is the hold where it is `None`.
pub fn cancel(
    hold: Option<i64>,
    captures: &[i64],
    user_id: i64,
    by: Actor,
    note: &str,
) -> Operation {
    let note = || Some(note.to_owned());
    let refunds = captures
        .iter()
        .map(|capture| refund(*capture, user_id, by, None, note()));
    let released = hold.map(|hold| NewPosting {
        note: note(),
        ..released(hold, user_id, by)
    });
    Operation::Post(
        (released.into_iter())
            .chain(refunds)
            .take(POSTINGS_MAX)
            .collect(),
    )
}

/// All that is left of a movement goes back to where it came from, for the reason in the note. `paid` and `received` are the owners of
/// the wallets on its sides. `None` for a movement that takes something back itself.
pub fn reverse(
    entry: i64,
    kind: KindCode,
    paid: Option<i64>,
    received: Option<i64>,
    by: Actor,
    note: String,
) -> Option<Operation> {
    let (_, reversal) = REVERSALS.iter().find(|(of, _)| of.code == kind)?;
    let party = |holder: Holder, owner: Option<i64>| match holder {
        Holder::Wallet => owner.map(Party::WalletOf),
        Holder::System(role) => Some(Party::System(role)),
    };
    let (debit, credit) = (
        party(reversal.debit, received)?,
        party(reversal.credit, paid)?,
    );
    let posting = NewPosting {
        note: Some(note),
        ..drawing(reversal, entry, debit, credit, by)
    };
    Some(posting.into())
}

/// A posting of all that is left of an earlier one.
fn drawing(kind: &Kind, drawn: i64, debit: Party, credit: Party, by: Actor) -> NewPosting {
    NewPosting {
        kind: kind.code,
        debit,
        credit,
        amount: None,
        by,
        draws_on: Some(drawn),
        expires_in: None,
        note: None,
    }
}

fn posting(kind: &Kind, debit: Party, credit: Party, amount: Amount, by: Actor) -> NewPosting {
    NewPosting {
        kind: kind.code,
        debit,
        credit,
        amount: Some(amount),
        by,
        draws_on: None,
        expires_in: None,
        note: None,
    }
}
