//! A story of two users, played through a gateway that is there: `gateway story --url http://…`.
//!
//! It is how a running installation is tried out with nothing but its own image: `helm test` does it. Every step says a line,
//! the first one that does not hold ends the story, and the program's exit code says whether all of it held. It moves real
//! entries in the ledger, but leaves no money lying about: both wallets end at zero, and both users are deleted. Where users may not top up
//! (`TOPUP`), there is no money to move, and the story leaves that part out.
//!
//! What is expected stands here once more, as a client sees it, and is not shared with the code that answers.

mod client;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clock::{Clock, Entropy};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use client::{Door, Person};

/// The interval at which a condition is looked at again.
const POLL: Duration = Duration::from_millis(200);
/// The time that the token of a deleted user may go on working, with a little for the answer.
const LOCKED_OUT_WITHIN: Duration = Duration::from_millis(2500);

/// The amount that Ani tops up; the smallest unit of IDR, as everything here.
const TOPPED_UP: i64 = 50_000;
const PAID: i64 = 30_000;
const SENT: i64 = 20_000;

/// The command line of `gateway story`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The gateway
    #[arg(long, default_value = "http://localhost:5000")]
    pub url: String,
    /// Seconds to wait until the gateway and every service say that they are healthy
    #[arg(long, default_value = "60", value_parser = settings::seconds)]
    pub patience: Duration,
}

/// Plays the story. `out` gets a line for each step; an error names the first one that did not hold.
pub async fn play(options: &Options, out: &mut impl Write) -> anyhow::Result<()> {
    let door = Door::new(&options.url)?;
    let mut lines = Lines { out };
    lines
        .step("everything is healthy", healthy(&door, options.patience))
        .await?;
    let (mut ani, mut budi) = (draw(&door, "Ani"), draw(&door, "Budi"));
    for person in [&mut ani, &mut budi] {
        enter(&mut lines, person).await?;
    }
    if lines
        .step(
            "Ani tops up, where users may",
            ani.tops_up_where_open(TOPPED_UP),
        )
        .await?
    {
        move_money(&mut lines, &ani, &budi).await?;
        lines
            .step("both balances are what is left", async {
                ani.has(0).await?;
                budi.has(SENT).await
            })
            .await?;
        read(&mut lines, &ani, &budi).await?;
        lines
            .step("Budi spends what he got", budi.pays(SENT))
            .await?;
    } else {
        lines
            .step(
                "only services bring money in here, so that none moves",
                ani.has(0),
            )
            .await?;
    }
    for person in [&ani, &budi] {
        leave(&mut lines, person).await?;
    }
    Ok(())
}

/// Says how each step went.
struct Lines<'a, W> {
    out: &'a mut W,
}

impl<W: Write> Lines<'_, W> {
    async fn step<T>(
        &mut self,
        what: &str,
        done: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let done = done.await;
        let mark = if done.is_ok() { "ok    " } else { "FAILED" };
        writeln!(self.out, "{mark}  {what}")?;
        done.with_context(|| what.to_owned())
    }
}

/// A new person: an address and a password that nobody else has.
fn draw(door: &Door, name: &'static str) -> Person {
    let entropy = Entropy::system();
    let [address, password] = [(); 2].map(|()| entropy.uuid_v7(Clock::system().now()).simple());
    Person {
        door: door.clone(),
        name,
        email: format!("{}-{address}@example.com", name.to_lowercase()),
        password: password.to_string(),
        token: None,
        id: 0,
        wallet: 0,
    }
}

async fn healthy(door: &Door, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let answer = door.ask(Method::GET, "/health").send().await;
        let is_healthy = match answer {
            Ok(answer) => answer.expect(StatusCode::OK, &json!({"status": "healthy"})),
            Err(error) => Err(error),
        };
        match is_healthy {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Registration, log-in, and a wallet with nothing in it.
async fn enter<W: Write>(lines: &mut Lines<'_, W>, person: &mut Person) -> anyhow::Result<()> {
    let name = person.name;
    lines
        .step(&format!("{name} registers"), person.register())
        .await?;
    lines
        .step(&format!("{name} logs in"), person.log_in())
        .await?;
    lines
        .step(&format!("{name} opens a wallet"), person.open_wallet())
        .await
}

async fn move_money<W: Write>(
    lines: &mut Lines<'_, W>,
    ani: &Person,
    budi: &Person,
) -> anyhow::Result<()> {
    let key = Entropy::system().uuid_v7(Clock::system().now()).to_string();
    let pay = ani.order(PAID);
    let paid = lines
        .step("Ani pays a merchant", ani.pays_with_key(&key, &pay))
        .await?;
    lines
        .step(
            "the payment, repeated with its key, gets the first answer",
            async {
                let again = ani.pays_with_key(&key, &pay).await?;
                ensure!(
                    again.replayed,
                    "the answer does not say that it is a replay"
                );
                ensure!(
                    again.body == paid.body,
                    "{} is not {}",
                    again.body,
                    paid.body
                );
                ani.has(TOPPED_UP - PAID).await
            },
        )
        .await?;
    lines
        .step("the key with another body is refused", async {
            let other = ani.ask(Method::POST, "/payments/pay").key(&key);
            let answer = other.body(ani.order(1)).send().await?;
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY, &json!({}))
        })
        .await?;
    lines
        .step("Ani sends money to Budi", ani.sends(budi, SENT))
        .await?;
    lines
        .step("Ani cannot spend what she does not have", async {
            let order = ani.ask(Method::POST, "/payments/pay").body(ani.order(1));
            let refusal = json!({"error": "Insufficient balance"});
            order
                .send()
                .await?
                .expect(StatusCode::BAD_REQUEST, &refusal)
        })
        .await?;
    Ok(())
}

/// Checks that every movement is in every list, at once, and in nobody else's.
async fn read<W: Write>(
    lines: &mut Lines<'_, W>,
    ani: &Person,
    budi: &Person,
) -> anyhow::Result<()> {
    let paid = json!({"merchant": client::MERCHANT, "amount": PAID, "wallet_id": ani.wallet});
    lines
        .step("Ani's payment is in her list", async {
            ani.reads("/payments", &json!({"payments": [paid]})).await
        })
        .await?;
    let entry = |kind: &str, amount: i64, wallet: i64| json!({"type": kind, "amount": amount, "wallet_id": wallet});
    let hers: Value = [("transfer", SENT), ("payment", PAID), ("topup", TOPPED_UP)]
        .map(|(kind, amount)| entry(kind, amount, ani.wallet))
        .into_iter()
        .collect();
    lines
        .step("Ani's history has all three, the newest first", async {
            ani.reads("/transactions", &json!({"transactions": hers}))
                .await
        })
        .await?;
    let his = json!({"transactions": [entry("transfer", SENT, budi.wallet)]});
    lines
        .step(
            "Budi's history has what he got",
            budi.reads("/transactions", &his),
        )
        .await?;
    let figures = json!({
        "total_transactions": 3, "total_topup": TOPPED_UP, "total_payment": PAID, "total_transfer": SENT,
        "net_amount": TOPPED_UP - PAID - SENT,
    });
    lines
        .step(
            "Ani's statistics add up",
            ani.reads("/transactions/stats", &figures),
        )
        .await?;
    lines
        .step(
            "Budi cannot see Ani's wallet, and without a token nobody can",
            async {
                let path = format!("/wallets/{}", ani.wallet);
                let answer = budi.ask(Method::GET, &path).send().await?;
                answer.expect(StatusCode::FORBIDDEN, &json!({"error": "Unauthorized"}))?;
                let answer = ani.door.ask(Method::GET, &path).send().await?;
                answer.expect(
                    StatusCode::UNAUTHORIZED,
                    &json!({"error": "Token is missing"}),
                )
            },
        )
        .await?;
    Ok(())
}

async fn leave<W: Write>(lines: &mut Lines<'_, W>, person: &Person) -> anyhow::Result<()> {
    let what = format!("{} leaves, and is locked out", person.name);
    let gone = async {
        person.has(0).await?;
        let path = format!("/users/{}", person.id);
        let answer = person.ask(Method::DELETE, &path).send().await?;
        answer.expect(
            StatusCode::OK,
            &json!({"message": "User deleted successfully"}),
        )?;
        let deadline = Instant::now() + LOCKED_OUT_WITHIN;
        loop {
            let answer = person.ask(Method::GET, "/wallets").send().await?;
            let is_known = answer.status == StatusCode::OK;
            match answer.expect(StatusCode::UNAUTHORIZED, &json!({})) {
                Ok(_) => return Ok(()),
                // For a moment the token may still be known; anything else is wrong at once.
                Err(_) if is_known && Instant::now() < deadline => {
                    tokio::time::sleep(POLL).await;
                }
                Err(error) => return Err(error),
            }
        }
    };
    lines.step(&what, gone).await
}
