//! The ledger: accounts, postings and proofs, and nothing of what is sold with them.
//!
//! An order enters at [`Ledger`] (`writer`), which has what waits decided by pure code (`domain`) and committed at once (`store`). The
//! log that comes of it is followed by others (`standing`), audited (`verify`, `auditor`) and proved entry by entry (`receipts`).
//! Nothing here knows HTTP: `services/wallet` is the door.

pub mod auditor;
pub mod domain;
pub mod receipts;
pub mod standing;
pub mod store;
pub mod verify;
mod writer;

pub use writer::{Ledger, LedgerError, LedgerMetrics, Peers};
