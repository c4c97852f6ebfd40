//! What the chain of hashes costs the writer: hashing a batch, compared with deciding it.

use std::io::Write as _;
use std::time::Instant;

use ledger::domain::chain::Parts;
use ledger::domain::limits::Usage;
use ledger::domain::{Account, Books, Draft, Head, system_account};
use ledger_api::{Order, Role, Tier, Uuid, WalletStatus};
use money::{Amount, Currency};
use serde_json::json;

const ORDERS: u16 = 1024;
const TIMES: u32 = 500;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut books = Books::at(Head::default(), None);
    let account = |id: i64, user_id, balance| Account {
        id,
        user_id,
        currency: Currency::IDR,
        status: WalletStatus::Active,
        balance,
        tier: Tier::default(),
        usage: Usage::default(),
    };
    for role in Role::ALL {
        books.learn_account(account(system_account(Currency::IDR, role), None, 0));
    }
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let id = i64::from(number) + 1;
        books.learn_account(account(id, Some(id), 1_000_000));
        orders.push(Order {
            key: Uuid::from_u128(u128::from(number)),
            operation: wallet_api::pay(id, id, "Tokopedia", Amount::new(1)?),
        });
    }
    let (mut whole, mut hashing) = (0.0, 0.0);
    for _ in 0..TIMES {
        let began = Instant::now();
        let mut draft = Draft::new(&books, &wallet_api::KINDS, 1);
        for order in &orders {
            let decided = draft.decide(order);
            anyhow::ensure!(decided.is_ok(), "refused: {decided:?}");
        }
        let batch = draft.finish([7; 16]);
        whole += began.elapsed().as_secs_f64();
        let rows = batch.map(|batch| batch.rows).unwrap_or_default();
        let began = Instant::now();
        std::hint::black_box(Parts::of(&books.head.hash, &[7; 16], &rows).hash());
        hashing += began.elapsed().as_secs_f64();
    }
    let entries = f64::from(ORDERS) * f64::from(TIMES);
    let (whole, hashing) = (whole / entries * 1e9, hashing / entries * 1e9);
    let mut out = std::io::stdout();
    writeln!(out, "\n| nanoseconds an entry | |\n|---|---|")?;
    writeln!(
        out,
        "| deciding, hashes included | {whole:.0} |\n| of that hashes | {hashing:.0} |"
    )?;
    // The writer does one thing after the other, so at r entries a second hashes take r times that of each second.
    for rate in [10_000.0, 30_000.0, 60_000.0] {
        let share = hashing * rate / 1e9 * 100.0;
        writeln!(
            out,
            "| share of the writer's time at {rate:.0} entries/s | {share:.1} % |"
        )?;
    }
    writeln!(out, "\n{}", json!({"decide_ns": whole, "hash_ns": hashing}))?;
    Ok(())
}
