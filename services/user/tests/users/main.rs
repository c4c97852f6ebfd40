//! The user service as its clients see it: over a socket, on every database.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod administration;
mod adopt;
mod audit;
mod bad_input;
mod belonging;
mod closures;
mod contract;
mod documents;
mod idempotency;
mod password_change;
mod passwords;
mod session_list;
mod sessions;
mod start;
mod support;
mod tokens;
mod tries;
