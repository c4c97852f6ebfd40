//! The whole bank through its own doors, on every store: stories, the contract row by row, tokens, bad input, and the
//! documents that are made from the code. One binary, since each one links everything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod administration;
mod attacks;
mod audit;
mod belonging;
mod concurrency;
mod contract;
mod currencies;
mod documents;
mod input;
mod limits;
mod live;
mod old_clients;
mod played;
mod requests;
mod scaffold;
mod snapshots;
mod story;
mod support;
mod tokens;
mod topup;
mod walk;
mod who_did_what;
