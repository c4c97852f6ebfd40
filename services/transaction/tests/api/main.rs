//! The transaction service over a socket, with the real ledger behind it, on every database.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

mod events;
mod faults;
mod history;
mod input;
mod kept;
mod kinds;
mod past;
mod rebuild;
mod receipts;
mod record;
mod reversals;
mod stats;
mod support;
mod tokens;
