//! The whole of Dompet in one process: all five services on the contract's ports, on one data folder with SQLite or on
//! one PostgreSQL.
//!
//! The services are the very same as in five containers, and talk to each other over HTTP as there. What is here is only
//! what a laptop needs beside them: ports that are claimed before anything starts, a data folder with its own secret, migrations
//! at the start, demo data, and the audit.

mod apart;
mod backup;
mod bank;
mod belonging;
mod config;
mod data;
mod progress;
pub mod repair;
mod restore;
mod secret;
pub mod verify;

pub use apart::ServiceDatabases;
pub use backup::backup;
pub use bank::Bank;
pub use config::{Config, Ports, folder};
pub use data::Home;
pub use restore::restore;
