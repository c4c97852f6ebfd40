//! What others see of the ledger: the orders it takes, the outcomes it gives, the log that they follow, and a client.
//!
//! The ledger knows accounts, postings and kinds of postings. The kinds themselves are a table ([`Kinds`]) that the product defines.
//!
//! Enumerations are written as `{"variant": {…}}`: that is read in one pass, where a tag among the fields makes the reader keep
//! everything before it has seen the tag.

mod belonging;
mod client;
mod kinds;
mod limits;
mod log;
mod order;

pub use belonging::{
    Mark, Mismatch, Position, Seen, Standing, StandingQuery, USERS_PAGE_MAX, UserIds, UsersQuery,
    UsersTold,
};
pub use client::{LedgerClient, SERVICE};
pub use kinds::{
    Counts, Description, DrawnWhen, Draws, Ending, Holder, Kind, KindCode, Kinds, Role,
};
pub use limits::{
    Direction, Exceeded, LIMIT_NAME_BYTES_MAX, LIMITS_MAX, Limit, LimitName, Measure, Tier, Window,
};
pub use log::{Entry, Event, LOG_PAGE_MAX, Leg, LogPage, LogQuery, Posting, Receipt, WalletStatus};
pub use order::{
    Actor, NOTE_BYTES_MAX, NewPosting, ORDERS_MAX, Operation, Order, OrdersRequest, OrdersResponse,
    Outcome, POSTINGS_MAX, Party, Refusal, Service, idempotency_key, posting_key,
};
pub use uuid::Uuid;
