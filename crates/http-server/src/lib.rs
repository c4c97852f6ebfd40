//! The scaffold that every HTTP server of Dompet stands on: accept loop, limits, probes, metrics, traces, error bodies and
//! an orderly end.
//!
//! A service builds a [`Service`] (its routes, its readiness checks, its background work) and hands it to
//! [`serve()`] with a listener, so that tests bind port 0. The life of a server: ready → told to stop → readiness flips →
//! after a moment no new connections → open requests finish, within a limit → background work ends. A second signal ends the process
//! at once.

mod body;
mod config;
mod document;
mod files;
mod front;
mod health;
mod input;
mod json;
mod layers;
mod line;
mod metrics;
mod own_command;
mod paths;
mod peer;
mod places;
mod probes;
mod program;
mod replayed;
mod serve;
mod signals;
mod text;

pub use config::HttpConfig;
pub use document::words;
pub use files::FileNeeds;
pub use health::{Health, Readiness};
pub use input::{
    Field, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, Page, PathId, idempotency_key_of,
};
pub use json::{BodyLimit, Json, MAX_BODY_BYTES, read_body};
pub use metrics::Metrics;
pub use own_command::OwnCommand;
pub use peer::Peer;
pub use probes::{ProbeServer, Probes};
pub use program::{
    Cli, ListenConfig, NothingToMigrate, Program, VERSION, read_or_say_why_not, say_why_not,
};
pub use replayed::Replayed;
pub use serve::{Service, Workers, healthcheck, listen, reachable, serve};
pub use signals::stop_signal;
pub use text::{FIELD_CHARS_MAX, composed, hidden, text};

/// A request makes hundreds of small allocations on many threads; mimalloc serves them with less work than the C library,
/// and statically linked C libraries have slow ones. Here, because every program of Dompet links this crate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The header that says that an answer is the first one, come again.
pub const REPLAYED_HEADER: http::HeaderName = http::HeaderName::from_static("idempotency-replayed");
