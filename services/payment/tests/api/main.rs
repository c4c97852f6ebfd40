//! The payment service over a socket, with the real ledger behind it, on every database.

mod faults;
mod input;
mod pay;
mod reads;
mod support;
mod tokens;
mod transfer;
