//! PostgreSQL as operators run it: a server for each way, set up for real, and what comes of it. Either everything works (register, pay,
//! history), or the start is refused with one sentence that says where and why.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

mod servers {
    pub(crate) mod authority;
    pub(crate) mod interrupted;
    pub(crate) mod refused;
    pub(crate) mod support;
    pub(crate) mod works;
}
