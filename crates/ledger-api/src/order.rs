//! What the ledger can be asked to do, and what becomes of it.

use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Entry, Exceeded, KindCode, Limit, Role, Tier, WalletStatus};

/// The number of orders one call may carry.
pub const ORDERS_MAX: usize = 1024;
/// The number of postings one order may have.
pub const POSTINGS_MAX: usize = 16;
/// How long the note of a posting may be.
pub const NOTE_BYTES_MAX: usize = 2048;

/// The key of the order that a request of `user_id` with this `Idempotency-Key` makes. `route` is the method and the path's
/// template, such as `POST /payments/pay`: equal keys of two users, or of two routes, are two orders.
pub fn idempotency_key(user_id: i64, route: &str, client_key: &str) -> Uuid {
    use sha2::{Digest as _, Sha256};
    // Neither the route nor a header's value has a zero byte, so no two triples are written alike.
    let digest = Sha256::new()
        .chain_update(b"v1")
        .chain_update(user_id.to_be_bytes())
        .chain_update(route)
        .chain_update([0])
        .chain_update(client_key)
        .finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(key)
}

/// Something that the ledger is asked to do, once: a repeat with the same key has the first one's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The idempotency key: 128 bits, unique forever. Drawn at random, or a digest of a client's key (see [`idempotency_key`]).
    pub key: Uuid,
    /// What to do.
    pub operation: Operation,
}

impl Order {
    /// The keys to look its entries up by: its own, and one that follows from it for each further posting. Of several postings there
    /// is one key more, which only an order with more postings has in the log.
    pub fn keys(&self) -> impl Iterator<Item = Uuid> {
        let count = match &self.operation {
            Operation::Post(postings) if postings.len() > 1 => postings.len().saturating_add(1),
            Operation::Post(_)
            | Operation::OpenWallet { .. }
            | Operation::SetStatus { .. }
            | Operation::CloseUser { .. }
            | Operation::SetTier { .. }
            | Operation::SetLimits { .. } => 1,
        };
        let key = self.key;
        (0..count).map(move |index| posting_key(key, index))
    }
}

/// The key of the entry at `index` of those that an order becomes.
pub fn posting_key(order: Uuid, index: usize) -> Uuid {
    use sha2::{Digest as _, Sha256};
    if index == 0 {
        return order;
    }
    let digest = Sha256::new()
        .chain_update(b"posting")
        .chain_update(order.as_bytes())
        .chain_update([u8::try_from(index).unwrap_or(u8::MAX)])
        .finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(key)
}

/// What can be done. Ids are those of the public API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Money moves: 1 to [`POSTINGS_MAX`] postings that happen together, in consecutive entries, or not at all.
    Post(Vec<NewPosting>),
    /// A user gets a wallet; one a currency.
    OpenWallet {
        /// The owner.
        user_id: i64,
        /// The wallet's currency.
        currency: Currency,
    },
    /// A wallet is frozen, or made active again.
    SetStatus {
        /// The wallet.
        wallet_id: i64,
        /// The new status.
        status: WalletStatus,
        /// Who asks.
        by: Actor,
    },
    /// A user is gone: their wallets are closed, and they get no new one. The money and the history stay.
    CloseUser {
        /// The user.
        user_id: i64,
        /// Who asks.
        by: Actor,
    },
    /// How well a wallet's owner is known.
    SetTier {
        /// The wallet.
        wallet_id: i64,
        /// The new tier.
        tier: Tier,
        /// Why, up to [`NOTE_BYTES_MAX`].
        reason: String,
        /// Who asks.
        by: Actor,
    },
    /// Other limits, in the place of all that there are.
    SetLimits {
        /// At most [`LIMITS_MAX`](crate::LIMITS_MAX).
        limits: Vec<Limit>,
        /// Who asks.
        by: Actor,
    },
}

impl From<NewPosting> for Operation {
    fn from(posting: NewPosting) -> Operation {
        Operation::Post(vec![posting])
    }
}

/// A posting that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPosting {
    /// The kind, by its code in the table of kinds: it decides who may be debited and credited.
    pub kind: KindCode,
    /// The account that the money comes from.
    pub debit: Party,
    /// The account that it goes to.
    pub credit: Party,
    /// In the currency's smallest unit; `None` for all that is left of the posting that it draws on. Where nothing is left, an order of
    /// several postings goes without this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Who asks. A user may name only their own wallets by id; other people's are named by their owner.
    pub by: Actor,
    /// The number of an earlier entry whose remainder it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws_on: Option<i64>,
    /// After how many seconds of the log's time nothing may draw on it any more. The interval is what a repeat sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
    /// Text that a person wrote, up to [`NOTE_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An account, as an order names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The wallet with this id.
    Wallet(i64),
    /// The wallet of this user, in the currency of the other account.
    WalletOf(i64),
    /// The system's account of this role, in the currency of the other account.
    System(Role),
}

/// Who asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A user or an administrator, by id.
    User(i64),
    /// A service, on its own account.
    Service(Service),
}

impl Actor {
    /// One number for both: a user's id, or a negative number for a service.
    pub fn code(self) -> i64 {
        match self {
            Actor::User(id) => id,
            Actor::Service(service) => i64::from(service.code()).saturating_neg(),
        }
    }

    /// The actor of such a number.
    pub fn from_code(code: i64) -> Option<Actor> {
        if code >= 0 {
            return Some(Actor::User(code));
        }
        let is_it = |service: &Service| i64::from(service.code()).saturating_neg() == code;
        Service::ALL.into_iter().find(is_it).map(Actor::Service)
    }
}

/// The services that act on their own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The gateway.
    Gateway,
    /// The user service.
    User,
    /// The wallet service.
    Wallet,
    /// The transaction service.
    Transaction,
    /// The payment service.
    Payment,
    /// The operator's own service that brings money in from outside.
    Funding,
}

impl Service {
    /// Every service.
    pub const ALL: [Service; 6] = [
        Service::Gateway,
        Service::User,
        Service::Wallet,
        Service::Transaction,
        Service::Payment,
        Service::Funding,
    ];

    /// Its number in the log.
    pub fn code(self) -> i16 {
        match self {
            Service::Gateway => 1,
            Service::User => 2,
            Service::Wallet => 3,
            Service::Transaction => 4,
            Service::Payment => 5,
            Service::Funding => 6,
        }
    }

    /// The service with this name.
    pub fn from_name(name: &str) -> Option<Service> {
        Service::ALL
            .into_iter()
            .find(|service| service.name() == name)
    }

    /// Its name among the services.
    pub fn name(self) -> &'static str {
        match self {
            Service::Gateway => "gateway",
            Service::User => "user-service",
            Service::Wallet => "wallet-service",
            Service::Transaction => "transaction-service",
            Service::Payment => "payment-service",
            Service::Funding => "funding-service",
        }
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done, and durable.
    Accepted {
        /// The entries of the log that it became: one, or one for each posting.
        entries: Vec<Entry>,
        /// True if it was done by an earlier order of the same key.
        replayed: bool,
    },
    /// It was not done, and left no trace.
    Refused {
        /// The reason.
        reason: Refusal,
    },
    /// The key belongs to another order.
    KeyReused,
}

impl Outcome {
    /// True if the rules did not allow it.
    pub fn is_refused(&self) -> bool {
        matches!(self, Outcome::Refused { .. })
    }
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such wallet.
    WalletNotFound,
    /// The wallet belongs to somebody else.
    NotOwner,
    /// The wallet is frozen or closed.
    WalletNotActive,
    /// The receiver cannot take this: they have no wallet of this currency, it is frozen or closed, or it would hold too much. Which of
    /// these it is nobody else learns: a sender who was told could find out how much is in it.
    DestinationNotFound,
    /// The receiver's wallet is frozen or closed: of a kind that gives money back, whose sender may know.
    DestinationNotActive,
    /// The money would go to the wallet that it comes from.
    SameWallet,
    /// The two accounts have different currencies.
    CurrencyMismatch,
    /// The wallet holds less than the amount.
    InsufficientBalance,
    /// The caller's own wallet would hold more than [`Amount::MAX`].
    BalanceLimit,
    /// A limit does not allow it.
    LimitExceeded(Exceeded),
    /// A system account would leave the range of 64 bits.
    LedgerLimit,
    /// The user already has a wallet of this currency.
    WalletExists,
    /// The user is gone.
    UserClosed,
    /// The table of kinds does not allow such a posting.
    KindNotAllowed,
    /// There is no posting with the number that it draws on, or none that it may draw on.
    NothingToDraw,
    /// The posting that it draws on has less left than the amount.
    RemainderExceeded,
    /// The posting that it draws on has expired.
    RemainderExpired,
    /// These limits cannot be: too many, or one names a kind that there is not.
    LimitsNotValid,
    /// The posting that it draws on has not expired yet.
    RemainderNotExpired,
    /// The database cannot store one of its values.
    NotStorable,
}

/// Orders that travel together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrdersRequest {
    /// At most [`ORDERS_MAX`].
    pub orders: Vec<Order>,
}

/// One outcome for each order, in the order of the request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrdersResponse {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_actor_has_a_number_of_their_own() {
        let services = Service::ALL.into_iter().map(Actor::Service);
        for actor in services.chain([Actor::User(0), Actor::User(7)]) {
            assert_eq!(Actor::from_code(actor.code()), Some(actor));
        }
        assert_eq!(Actor::from_code(-7), None);
        for service in Service::ALL {
            assert_eq!(Service::from_name(service.name()), Some(service));
        }
    }

    #[test]
    fn a_key_belongs_to_one_user_and_one_route() {
        let key = idempotency_key(1, "POST /payments/pay", "a");
        assert_eq!(key, idempotency_key(1, "POST /payments/pay", "a"));
        for other in [
            idempotency_key(2, "POST /payments/pay", "a"),
            idempotency_key(1, "POST /payments/transfer", "a"),
            idempotency_key(1, "POST /payments/pay", "b"),
        ] {
            assert_ne!(key, other);
        }
        // Kept keys must mean the same after an upgrade.
        assert_eq!(key.to_string(), "79587b42-16b6-7d33-2c7f-6501ba7b544e");
    }
}
