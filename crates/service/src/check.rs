//! The readiness checks that services have. Each name is written once, so that a probe's answer, an alert and a runbook can rely on it.

/// A condition of readiness that more than one service, or an operator, knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The database answers, is migrated, and takes writes.
    Database,
    /// The ledger was reached, and is the one that the database belongs to.
    Ledger,
    /// The keys that users' tokens are signed with are known.
    SigningKeys,
    /// The demo data is there.
    DemoData,
    /// The limits that the operator chose are in force.
    Limits,
}

impl Check {
    /// The name under `failing` in the answer of `/readyz`.
    pub const fn name(self) -> &'static str {
        match self {
            Check::Database => "database",
            Check::Ledger => "ledger",
            Check::SigningKeys => "signing_keys",
            Check::DemoData => "demo_data",
            Check::Limits => "limits",
        }
    }
}
