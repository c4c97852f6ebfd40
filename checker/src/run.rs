//! A run: a bank, clients, faults, and the judgement.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clock::Entropy;

use crate::bank::{Bank, StoreKind};
use crate::check::{Verdict, check};
use crate::clients::Client;
use crate::faults::{self, Tally};
use crate::ledger::Replay;
use crate::planted::Bug;

/// Clients that call at once.
const CLIENTS: usize = 12;
/// Few users, so that clients get in each other's way.
const USERS: usize = 4;
/// The time that clients may go on repeating what has no answer yet, once every part is healthy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// This crate's binary.
    pub program: PathBuf,
    /// On which store.
    pub store: StoreKind,
    /// The time that clients call.
    pub lasts: Duration,
    /// The seed of calls and faults.
    pub seed: i64,
    /// True if things break, and clocks jump.
    pub with_faults: bool,
    /// A bug to be found.
    pub bug: Option<Bug>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// The faults, and how often there was each.
    pub faults: Tally,
    /// The audit's lines, if it found the ledger or what follows it not whole.
    pub audit: Option<String>,
    /// The folder of the processes' logs, if something was found.
    pub logs: PathBuf,
}

impl Report {
    /// Returns whether everything is explained, and whole.
    pub fn is_good(&self) -> bool {
        self.verdict.violations.is_empty() && self.audit.is_none()
    }
}

/// Carries out a plan.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let program = plan.program.clone();
    let mut bank = Bank::start(program, plan.store, plan.bug, plan.with_faults).await?;
    let users = Arc::new(bank.users(USERS).await?);
    let before = bank.log().await?.len();

    let recorder = crate::record::Recorder::default();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = Client::new(number, users.clone(), recorder.clone(), plan.seed);
            tokio::spawn(client.run(stop.clone()))
        })
        .collect();
    let until = Instant::now() + plan.lasts;
    let faults = if plan.with_faults {
        let entropy = Entropy::seeded(plan.seed);
        faults::rage(&mut bank, &entropy, until).await?
    } else {
        tokio::time::sleep(plan.lasts).await;
        Tally::new()
    };
    bank.wait_until_healthy().await?;
    stop.store(true, Ordering::SeqCst);
    let clients = futures_util::future::try_join_all(clients);
    match tokio::time::timeout(ANSWERED_WITHIN, clients).await {
        Ok(clients) => clients.map(drop)?,
        Err(_) => {
            bank.keep_folder();
            anyhow::bail!(
                "everything says that it is healthy, and a call was not answered for {} s; logs are in {}",
                ANSWERED_WITHIN.as_secs(),
                bank.folder().display()
            );
        }
    }

    let verdict = check(&recorder.calls(), &Replay::of(bank.log().await?), before);
    let (is_whole, audit) = bank.audit().await?;
    let report = Report {
        verdict,
        faults,
        audit: (!is_whole).then_some(audit),
        logs: bank.folder().to_owned(),
    };
    if !report.is_good() && plan.bug.is_none() {
        bank.keep_folder();
    }
    Ok(report)
}
