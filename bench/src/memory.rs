//! What each process keeps in memory while payments go through it, on PostgreSQL, every service in processes of its own.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use checker::bank::{Bank, StoreKind};
use serde_json::json;

use crate::closed_loop::Progress;
use crate::report;

/// Users who pay, all the time.
const USERS: usize = 64;
const MONEY: i64 = 1_000_000_000_000;

pub(crate) async fn run(minutes: u64) -> anyhow::Result<()> {
    report::say("starting every service in processes of its own");
    let bank = Bank::start(std::env::current_exe()?, StoreKind::Postgres, None, false).await?;
    let users = bank.users(USERS).await?;
    let progress = Progress::default();
    let mut payers = Vec::new();
    for user in users {
        let path = format!("/wallets/{}/topup", user.wallet_id);
        user.api
            .post(&path, json!({"amount": MONEY}))
            .await
            .expect(200);
        let progress = progress.clone();
        payers.push(tokio::spawn(async move {
            let payment =
                json!({"wallet_id": user.wallet_id, "merchant": "Tokopedia", "amount": 1});
            while !progress.is_over() {
                let key = format!("{}-{}", user.id, progress.count());
                user.api
                    .post_with_key("/payments/pay", &key, payment.clone())
                    .await
                    .expect(201);
                user.api.get("/transactions?limit=20").await.expect(200);
            }
            anyhow::Ok(())
        }));
    }

    let mut out = std::io::stdout();
    let names: Vec<&str> = bank.processes().iter().map(|(name, _)| *name).collect();
    writeln!(out, "\n| minute | payments | {} |", names.join(" | "))?;
    writeln!(out, "|---|---|{}", "---|".repeat(names.len()))?;
    let began = Instant::now();
    for minute in 0..=minutes {
        let until = began + Duration::from_secs(60 * minute);
        tokio::time::sleep_until(until.into()).await;
        let processes = bank.processes().into_iter();
        let used = processes.map(|(_, id)| resident_mib(id));
        let used = used.collect::<anyhow::Result<Vec<_>>>()?;
        let payments = progress.done();
        let cells: Vec<String> = used.iter().map(|mib| format!("{mib:.0} MiB")).collect();
        writeln!(out, "| {minute} | {payments} | {} |", cells.join(" | "))?;
    }
    progress.end(payers).await
}

/// The memory of a process, as the system tells it.
fn resident_mib(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?
        .parse()?;
    Ok(kib / 1024.0)
}
