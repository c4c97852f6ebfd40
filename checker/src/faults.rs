//! What breaks while clients call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clock::Entropy;

use crate::bank::Bank;
use crate::record::random;

/// The longest time that a fault lasts.
const LASTS_MAX_MS: u64 = 1_500;
/// The longest peace between two faults.
const PEACE_MAX_MS: u64 = 1_500;
/// The largest number of answers that are lost at once.
const LOST_MAX: u64 = 4;
/// By how much a slow link is late, at most.
const LATE_MAX_MS: u64 = 200;

/// The number of times that each fault was there.
pub type Tally = BTreeMap<String, usize>;

/// Breaks one thing after the other until the time is over, and leaves everything whole.
pub async fn rage(bank: &mut Bank, entropy: &Entropy, until: Instant) -> anyhow::Result<Tally> {
    let mut tally = Tally::new();
    while Instant::now() < until {
        pause(entropy, PEACE_MAX_MS).await;
        let name = strike(bank, entropy).await?;
        *tally.entry(name).or_default() += 1;
    }
    Ok(tally)
}

/// One fault, from its beginning to its end.
async fn strike(bank: &mut Bank, entropy: &Entropy) -> anyhow::Result<String> {
    let name = match random(entropy, 12) {
        0..=3 => {
            let index = usize::try_from(random(entropy, u64::try_from(bank.servers())?))?;
            bank.kill(index)?;
            pause(entropy, LASTS_MAX_MS).await;
            bank.start_server(index)?;
            format!("kill -9 {}", bank.server_name(index))
        }
        4 if bank.postgres().is_some() => {
            if let Some(postgres) = bank.postgres() {
                postgres.crash()?;
            }
            "kill -9 PostgreSQL".to_owned()
        }
        5 if bank.disk().is_some() => {
            if let Some(disk) = bank.disk() {
                disk.fill()?;
                pause(entropy, LASTS_MAX_MS).await;
                disk.free()?;
            }
            // A PostgreSQL that cannot write its log gives up, and has to be started again.
            if let Some(postgres) = bank.postgres() {
                postgres.crash()?;
            }
            "disk full".to_owned()
        }
        _ => {
            let index = usize::try_from(random(entropy, u64::try_from(bank.links().len())?))?;
            let (between, link) = &bank.links()[index];
            let what = match random(entropy, 5) {
                0 => {
                    link.cut();
                    "cut"
                }
                1 => {
                    link.silence();
                    "silent"
                }
                2 => {
                    link.slow_down(Duration::from_millis(random(entropy, LATE_MAX_MS) + 1));
                    "slow"
                }
                _ => {
                    link.lose_answers(usize::try_from(random(entropy, LOST_MAX) + 1)?);
                    "answers lost"
                }
            };
            pause(entropy, LASTS_MAX_MS).await;
            link.lose_answers(0);
            link.open();
            format!("{what}: {between}")
        }
    };
    Ok(name)
}

async fn pause(entropy: &Entropy, at_most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random(entropy, at_most_ms))).await;
}
