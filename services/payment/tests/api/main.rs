//! The payment service over a socket, with the real ledger behind it, on every database.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

mod faults;
mod holds;
mod input;
mod pay;
mod reads;
mod rebuild;
mod refunds;
mod support;
mod tokens;
mod transfer;
