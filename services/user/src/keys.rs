//! The idempotency keys of registrations. Nobody is logged in yet, so a key alone would be everybody's: it counts together with the
//! address that is registered, so that a repeat is known wherever it comes from; and together with the caller's address, so that a
//! caller who uses one for two registrations is told.

use std::fmt::Write as _;
use std::net::IpAddr;

use client_address::Subject;
use sha2::{Digest as _, Sha256};

use crate::domain::Email;
use crate::request_hash::framed;

/// A key, as it is kept.
pub(crate) struct Keys {
    /// As the client sent it: earlier releases kept it so.
    pub(crate) sent: String,
    /// With the address that is registered.
    pub(crate) of_account: String,
    /// With the address of the caller.
    pub(crate) of_caller: String,
}

impl Keys {
    pub(crate) fn new(sent: &str, email: &Email, from: IpAddr) -> Keys {
        let caller = Subject::of(from).to_string();
        Keys {
            sent: sent.to_owned(),
            of_account: hash(&["account", &email.key(), sent]),
            of_caller: hash(&["caller", &caller, sent]),
        }
    }

    /// Returns whether a kept key is of this account for certain.
    pub(crate) fn are_of(&self, kept: &str) -> bool {
        kept == self.of_account
    }
}

fn hash(fields: &[&str]) -> String {
    let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
    let hash = Sha256::digest(framed(&fields));
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
