//! The gateway over sockets, with services that are not there: small servers that note what reaches them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod auth;
mod cors;
mod docs;
mod failures;
mod headers;
mod health;
mod limits;
mod page_sessions;
mod pages;
mod routing;
mod streams;
mod world;
