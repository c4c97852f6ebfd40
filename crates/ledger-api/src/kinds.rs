//! The table of kinds: everything that tells one kind of posting from another, in one row each.
//!
//! The ledger, its store, the audit, metrics and history read the table and never ask for a certain kind. So a new kind is one row
//! more, and nothing that has to be remembered elsewhere. What must hold: codes and names are unique, and a code never changes its
//! meaning, because the log has it forever. [`Kinds::new`] checks the first while the program is compiled.

use serde::{Deserialize, Serialize};

/// The code of a kind: what the log says. 1 to 99; entries that move no money have codes from 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindCode(pub i16);

/// The system's accounts: one of each role in each currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Money comes in from it: it holds minus all that came from outside.
    In,
    /// Money goes out to it: it holds all that merchants and withdrawals got.
    Out,
    /// Money that is reserved for a while.
    Held,
    /// Fees that were earned.
    Fees,
    /// The other side of exchanges.
    Exchange,
    /// Money whose owner is gone.
    Unclaimed,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] = [
        Role::In,
        Role::Out,
        Role::Held,
        Role::Fees,
        Role::Exchange,
        Role::Unclaimed,
    ];

    /// Its word in metrics and pages.
    pub const fn name(self) -> &'static str {
        match self {
            Role::In => "in",
            Role::Out => "out",
            Role::Held => "held",
            Role::Fees => "fees",
            Role::Exchange => "exchange",
            Role::Unclaimed => "unclaimed",
        }
    }

    /// Its number, the last digit of the account's.
    pub const fn code(self) -> i64 {
        match self {
            Role::In => 1,
            Role::Out => 2,
            Role::Held => 3,
            Role::Fees => 4,
            Role::Exchange => 5,
            Role::Unclaimed => 6,
        }
    }
}

/// Who may be on one side of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user's wallet.
    Wallet,
    /// The system's account of this role.
    System(Role),
}

/// What a kind draws on: it uses up a part of an earlier posting, and takes the money from where that one brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The kinds of postings that it may draw on.
    pub on: &'static [KindCode],
    /// True if the money goes back to the account that it first came from: for a posting that drew itself, that is where the posting
    /// before it took the money from.
    pub returns: bool,
    /// When it may draw on a posting that expires.
    pub when: DrawnWhen,
}

/// When a posting that expires may be drawn on. The log's time decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawnWhen {
    /// Before it expires.
    BeforeExpiry,
    /// From the moment on at which it expires; never where it does not.
    AfterExpiry,
    /// At any time.
    Always,
}

impl DrawnWhen {
    /// True if a posting that expires at `expires_at` may be drawn on at `at`, both in microseconds since 1970.
    pub fn allows(self, at: i64, expires_at: Option<i64>) -> bool {
        let has_expired = expires_at.is_some_and(|end| at >= end);
        match self {
            DrawnWhen::BeforeExpiry => !has_expired,
            DrawnWhen::AfterExpiry => has_expired,
            DrawnWhen::Always => true,
        }
    }
}

/// How a posting counts for the wallets that it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// As money that the credited wallet received.
    In,
    /// As money that the debited wallet spent.
    Out,
    /// As both.
    Both,
    /// As neither: it takes something back.
    Neither,
}

/// How history describes a posting to the owner of one of its wallets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// How it begins.
    pub text: &'static str,
    /// How it ends.
    pub ending: Ending,
}

impl Description {
    /// Always the same words.
    pub const fn plain(text: &'static str) -> Description {
        Description {
            text,
            ending: Ending::Nothing,
        }
    }

    /// `text`, and then the note, or `otherwise` where there is none.
    pub const fn with_note(text: &'static str, otherwise: &'static str) -> Description {
        Description {
            text,
            ending: Ending::Note { otherwise },
        }
    }

    /// `text`, and then the id of the other wallet's owner.
    pub const fn with_user(text: &'static str) -> Description {
        Description {
            text,
            ending: Ending::OtherUser,
        }
    }
}

/// How a [`Description`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing more to say.
    Nothing,
    /// With the note.
    Note {
        /// The words where there is no note.
        otherwise: &'static str,
    },
    /// With the id of the other wallet's owner.
    OtherUser,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What the log says.
    pub code: KindCode,
    /// What people, metrics and history say. For the API's `type`.
    pub name: &'static str,
    /// Who may be debited.
    pub debit: Holder,
    /// Who may be credited.
    pub credit: Holder,
    /// True if a frozen wallet may be debited.
    pub debits_frozen: bool,
    /// True if a frozen wallet may be credited.
    pub credits_frozen: bool,
    /// What it draws on; `None` for a kind that draws on nothing.
    pub draws: Option<Draws>,
    /// True if it may be given a time to expire.
    pub expires: bool,
    /// How it counts.
    pub counts: Counts,
    /// What the owner of the debited wallet reads of it.
    pub debited: Description,
    /// What the owner of the credited wallet reads of it.
    pub credited: Description,
    /// True if it takes the next number of the series that counts payments.
    pub numbered: bool,
    /// True if no limit refuses it, though it draws on nothing: the operator's own corrections, and money that has to leave a wallet.
    pub exempt: bool,
}

impl Kind {
    /// A kind that moves money from one holder to another, with nothing special about it. Its description is its note, or its name.
    pub const fn new(code: i16, name: &'static str, debit: Holder, credit: Holder) -> Kind {
        Kind {
            code: KindCode(code),
            name,
            debit,
            credit,
            debits_frozen: false,
            credits_frozen: false,
            draws: None,
            expires: false,
            counts: match (debit, credit) {
                (Holder::Wallet, Holder::Wallet) => Counts::Both,
                (Holder::Wallet, Holder::System(_)) => Counts::Out,
                (Holder::System(_), Holder::Wallet) => Counts::In,
                (Holder::System(_), Holder::System(_)) => Counts::Neither,
            },
            debited: Description::with_note("", name),
            credited: Description::with_note("", name),
            numbered: false,
            exempt: false,
        }
    }

    /// True if limits count and refuse it. What draws on an earlier posting is not limited: the money would be stuck between two rules.
    pub const fn is_limited(&self) -> bool {
        !self.exempt && self.draws.is_none()
    }
}

/// A table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(&'static [Kind]);

impl Kinds {
    /// A table of these rows.
    ///
    /// # Panics
    /// While the program is compiled, if the table is `const`: when a code is out of range, a code or a name comes twice, a row
    /// draws on a kind that is not there, or a description names a user on a side that has none.
    pub const fn new(rows: &'static [Kind]) -> Kinds {
        let mut index = 0;
        while index < rows.len() {
            let row = &rows[index];
            assert!(row.code.0 > 0 && row.code.0 < 100, "a code is 1 to 99");
            let mut other = 0;
            while other < index {
                assert!(rows[other].code.0 != row.code.0, "a code comes twice");
                assert!(!is_same(rows[other].name, row.name), "a name comes twice");
                other += 1;
            }
            assert!(
                names_nobody(row.debited) || has_user(row.credit),
                "its description names a user who is not there"
            );
            assert!(
                names_nobody(row.credited) || has_user(row.debit),
                "its description names a user who is not there"
            );
            if let Some(draws) = row.draws {
                let mut drawn = 0;
                while drawn < draws.on.len() {
                    assert!(has(rows, draws.on[drawn]), "it draws on an unknown kind");
                    drawn += 1;
                }
            }
            index += 1;
        }
        Kinds(rows)
    }

    /// Every row.
    pub const fn all(&self) -> &'static [Kind] {
        self.0
    }

    /// The row of this code.
    pub fn get(&self, code: KindCode) -> Option<&'static Kind> {
        self.0.iter().find(|kind| kind.code == code)
    }

    /// The row with this name.
    pub fn named(&self, name: &str) -> Option<&'static Kind> {
        self.0.iter().find(|kind| kind.name == name)
    }
}

const fn has(rows: &[Kind], code: KindCode) -> bool {
    let mut index = 0;
    while index < rows.len() {
        if rows[index].code.0 == code.0 {
            return true;
        }
        index += 1;
    }
    false
}

const fn names_nobody(description: Description) -> bool {
    !matches!(description.ending, Ending::OtherUser)
}

const fn has_user(holder: Holder) -> bool {
    matches!(holder, Holder::Wallet)
}

/// `==` of texts, which a constant cannot use yet.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENT: Kind = Kind::new(2, "payment", Holder::Wallet, Holder::System(Role::Out));

    #[test]
    fn rows_are_found_by_code_and_by_name() {
        const KINDS: Kinds = Kinds::new(&[PAYMENT]);
        assert_eq!(KINDS.get(KindCode(2)), Some(&PAYMENT));
        assert_eq!(KINDS.named("payment"), Some(&PAYMENT));
        assert_eq!(KINDS.get(KindCode(3)), None);
    }

    #[test]
    fn what_takes_something_back_is_not_limited() {
        let refund = Kind {
            draws: Some(Draws {
                on: &[KindCode(2)],
                returns: true,
                when: DrawnWhen::Always,
            }),
            ..Kind::new(8, "refund", Holder::System(Role::Out), Holder::Wallet)
        };
        let exempt = Kind {
            exempt: true,
            ..PAYMENT
        };
        assert_eq!(
            [PAYMENT, refund, exempt].map(|kind| kind.is_limited()),
            [true, false, false]
        );
    }

    #[test]
    #[should_panic(expected = "a code comes twice")]
    fn two_rows_of_one_code_are_no_table() {
        let _ = Kinds::new(&[
            PAYMENT,
            Kind {
                name: "other",
                ..PAYMENT
            },
        ]);
    }

    #[test]
    #[should_panic(expected = "its description names a user who is not there")]
    fn a_description_names_a_user_only_where_there_is_one() {
        const SENT: Kind = Kind {
            debited: Description::with_user("Payment to user "),
            ..PAYMENT
        };
        let _ = Kinds::new(&[SENT]);
    }

    #[test]
    #[should_panic(expected = "it draws on an unknown kind")]
    fn a_row_draws_on_rows_that_are_there() {
        const REFUND: Kind = Kind {
            draws: Some(Draws {
                on: &[KindCode(9)],
                returns: true,
                when: DrawnWhen::Always,
            }),
            ..Kind::new(8, "refund", Holder::System(Role::Out), Holder::Wallet)
        };
        let _ = Kinds::new(&[REFUND]);
    }
}
