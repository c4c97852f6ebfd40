//! The history checker: clients record every call that they make to running services while things break, and afterwards each
//! answer must be explained by the ledger.
//!
//! Read it in this order: [`record`] is what a client writes down, [`ledger`] what the log says, [`check`] the judgement, pure and
//! without I/O; [`clients`], [`bank`] and [`faults`] make histories to judge; [`planted`] are bugs that it must find, [`run`] puts a
//! run together.

pub mod bank;
pub mod check;
pub mod clients;
pub mod disk;
pub mod faults;
pub mod ledger;
pub mod planted;
pub mod process;
pub mod record;
pub mod run;
