//! A service as a process of its own: this program, told to be one. What it serves is the service's own library; its clock may
//! jump, and a bug may be planted in its ledger.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use clock::{Clock, Entropy};
use http_server::{NothingToMigrate, read_or_say_why_not};
use store::DatabaseConfig;

use crate::planted::{Bug, plant};
use crate::record::random;

/// The variable that makes a process's clock jump.
pub const CLOCK_JUMPS: &str = "CHECKER_CLOCK_JUMPS";
/// The variable that names the planted bug.
pub const BUG: &str = "CHECKER_BUG";

/// The most that a clock is off, in microseconds.
const JUMP_MAX: u64 = 20_000_000;
/// The longest time before a clock jumps again, in milliseconds.
const JUMP_EVERY_MAX: u64 = 3_000;

/// A service that a process can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// The gateway.
    Gateway,
    /// The user service.
    User,
    /// The wallet service.
    Wallet,
    /// The transaction service.
    Transaction,
    /// The payment service.
    Payment,
    /// All five in one, on SQLite.
    Local,
}

#[derive(clap::Parser)]
struct LocalCli {
    #[command(flatten)]
    config: local::Config,
}

impl settings::Settings for LocalCli {
    fn check(&self, found: &mut settings::Findings) {
        self.config.check(found);
    }
}

impl Role {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::User => "user",
            Role::Wallet => "wallet",
            Role::Transaction => "transaction",
            Role::Payment => "payment",
            Role::Local => "local",
        }
    }

    /// Serves until SIGTERM, configured by the service's own variables.
    pub fn serve(self) -> ExitCode {
        let clock = clock();
        let entropy = Entropy::system();
        match self {
            Role::Gateway => gateway::PROGRAM.run_from(
                SERVE,
                async |config| gateway::build(config, clock, entropy).await,
                async |_: NothingToMigrate| Ok(()),
            ),
            Role::User => user::PROGRAM.run_from(
                SERVE,
                async |config| user::build(config, clock, entropy).await,
                async |config| user::migrate(&config).await,
            ),
            Role::Wallet => wallet::PROGRAM.run_from(
                SERVE,
                async |config| {
                    let bug = std::env::var(BUG).ok().and_then(|name| Bug::named(&name));
                    wallet::build_over(config, clock, entropy, |store| match bug {
                        Some(bug) => plant(bug, store),
                        None => Arc::new(store),
                    })
                    .await
                },
                async |config: DatabaseConfig| wallet::migrate(&config).await,
            ),
            Role::Transaction => transaction::PROGRAM.run_from(
                SERVE,
                async |config| transaction::build(config, clock, entropy).await,
                async |config| transaction::migrate(&config).await,
            ),
            Role::Payment => payment::PROGRAM.run_from(
                SERVE,
                async |config| payment::build(config, clock, entropy).await,
                async |config| payment::migrate(&config).await,
            ),
            Role::Local => match read_or_say_why_not(LOCAL, LocalCli::command(), [LOCAL]) {
                Ok((LocalCli { config }, _)) => serve_local(config, clock, entropy),
                Err(code) => code,
            },
        }
    }
}

fn serve_local(config: local::Config, clock: Clock, entropy: Entropy) -> ExitCode {
    gateway::PROGRAM.block_on(async {
        let bank = local::Bank::start(config, clock, entropy).await?;
        http_server::stop_signal()?.cancelled().await;
        bank.stop().await;
        Ok(())
    })
}

/// The name of the local mode here.
const LOCAL: &str = "local";
/// The command line that a service reads.
const SERVE: [&str; 2] = ["checker", "serve"];

/// The machine's clock, or one that jumps back and forth.
fn clock() -> Clock {
    if std::env::var_os(CLOCK_JUMPS).is_none() {
        return Clock::system();
    }
    let clock = Clock::shifted();
    let jumping = clock.clone();
    std::thread::spawn(move || {
        let entropy = Entropy::system();
        loop {
            let forth = Duration::from_micros(random(&entropy, 2 * JUMP_MAX));
            let now = Clock::system().now().plus(forth).micros();
            let back = i64::try_from(JUMP_MAX).unwrap_or(0);
            jumping.set(clock::Timestamp::from_micros(now - back));
            std::thread::sleep(Duration::from_millis(random(&entropy, JUMP_EVERY_MAX)));
        }
    });
    clock
}
