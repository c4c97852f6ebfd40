//! Whole payments: clients with keep-alive connections, tokens and idempotency keys, through gateway, payment and wallet
//! service, everything on this machine.

use std::time::Duration;

use auth::{Claims, Role, ServiceKeyConfig, SigningKeys, UserId};
use clock::{Clock, Entropy};
use local::{Bank, Config, Home};
use store::{Database, in_transaction, on_read, sqlx};

use crate::closed_loop::Progress;
use crate::http::Connection;
use crate::ledger::{Draw, movement, open, seed};
use crate::{Load, report};

/// Users whose tokens are used; more would measure the checking of signatures, which happens once a token.
const USERS: i64 = 512;

pub(crate) struct Bench {
    bank: Bank,
    followers: Followers,
    on_sqlite: bool,
    keys: SigningKeys,
    accounts: i64,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start(
        database_url: Option<String>,
        accounts: i64,
    ) -> anyhow::Result<Bench> {
        let folder = tempfile::tempdir()?;
        let secret = "a secret of the benchmark, longer than 32 bytes";
        let on_sqlite = database_url.is_none();
        let config = Config {
            database_url,
            request_timeout: Duration::from_secs(30),
            over_http: !on_sqlite,
            ..Config::on_free_ports(folder.path(), secret)
        };
        let (ledger, workers) = open(&Home::new(&config).database("wallet")).await?;
        seed(&ledger, accounts).await?;
        drop(ledger);
        workers.finish(Duration::from_secs(5)).await;
        report::say("starting the five services");
        prepare_others(&Home::new(&config), accounts).await?;
        let followers = Followers::open(&Home::new(&config)).await?;
        let bank = Bank::start(config, Clock::system(), Entropy::system()).await?;
        followers.wait_until_current().await?;
        Ok(Bench {
            bank,
            followers,
            on_sqlite,
            keys: ServiceKeyConfig::from_secret(secret).signing_keys()?,
            accounts,
            _folder: folder,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.on_sqlite {
            "payments, local mode on SQLite"
        } else {
            "payments through the gateway"
        }
    }

    pub(crate) async fn measure(
        &self,
        load: Load,
        waiting: usize,
        span: Duration,
    ) -> anyhow::Result<f64> {
        let progress = Progress::default();
        let mut callers = Vec::with_capacity(waiting);
        for number in 0..waiting {
            let client = self.client(number, load)?;
            callers.push(tokio::spawn(client.run(progress.clone())));
        }
        // The first seconds warm up: connections, tokens, accounts.
        let rate = progress.rate(Duration::from_secs(2), span).await;
        let behind = self.followers.behind().await?;
        report::say(&format!(
            "{rate:.0}/s; at the end the followers are {:.2} s behind",
            behind as f64 / rate
        ));
        progress.end(callers).await?;
        self.followers.wait_until_current().await?;
        Ok(rate)
    }

    /// One of many clients.
    pub(crate) fn client(&self, number: usize, load: Load) -> anyhow::Result<Client> {
        let user = i64::try_from(number)? % USERS.min(self.accounts) + 1;
        let claims = Claims::new(
            UserId(user),
            Role::User,
            format!("bench-{user}"),
            Clock::system().now(),
        );
        Ok(Client {
            port: self.port()?,
            user,
            token: self.keys.sign(&claims)?,
            accounts: self.accounts,
            load,
            number,
            run: Clock::system().now().micros(),
            requests: 0,
            draw: Draw::new(number),
        })
    }

    /// The gateway's port.
    fn port(&self) -> anyhow::Result<u16> {
        let url = self.bank.gateway_url();
        Ok(url.rsplit(':').next().unwrap_or_default().parse()?)
    }

    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        self.bank.stop().await;
        Ok(())
    }
}

/// The other databases beside a ledger that was filled without them: empty followers, and users of whom it is said, as after a restore,
/// that they are lost.
async fn prepare_others(home: &Home, users: i64) -> anyhow::Result<()> {
    transaction::migrate(&home.database("transaction")).await?;
    payment::migrate(&home.database("payment")).await?;
    let config = home.database("user");
    user::migrate(&config).await?;
    let database = Database::open(&config).await?;
    let given_up: sqlx::Result<()> = in_transaction!(&database, tx => {
        sqlx::query("update ledger set lost_up_to = $1")
            .bind(users)
            .execute(&mut *tx)
            .await
            .map(drop)
    });
    database.close().await;
    Ok(given_up?)
}

/// The services that follow the ledger's log.
struct Followers {
    ledger: Database,
    models: [Database; 2],
}

impl Followers {
    async fn open(home: &Home) -> anyhow::Result<Followers> {
        Ok(Followers {
            ledger: Database::open(&home.database("wallet")).await?,
            models: [
                Database::open(&home.database("transaction")).await?,
                Database::open(&home.database("payment")).await?,
            ],
        })
    }

    /// The number of entries that the slower one has not applied yet.
    async fn behind(&self) -> anyhow::Result<i64> {
        let mut slowest = i64::MAX;
        for model in &self.models {
            let position: i64 = on_read!(model, pool => {
                sqlx::query_scalar("select seq from feed_position").fetch_one(pool).await
            })?;
            slowest = slowest.min(position);
        }
        let head: i64 = on_read!(&self.ledger, pool => {
            sqlx::query_scalar("select seq from ledger_head").fetch_one(pool).await
        })?;
        Ok(head - slowest)
    }

    /// Waits until they are current: their work is not to be measured with something else.
    async fn wait_until_current(&self) -> anyhow::Result<()> {
        while self.behind().await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// A user with a token.
pub(crate) struct Client {
    pub(crate) port: u16,
    pub(crate) user: i64,
    pub(crate) token: String,
    accounts: i64,
    load: Load,
    number: usize,
    /// Keys of this run differ from those of any other.
    run: i64,
    requests: u64,
    draw: Draw,
}

impl Client {
    async fn run(mut self, progress: Progress) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.port).await?;
        while !progress.is_over() {
            self.pay(&mut connection).await?;
            progress.count();
        }
        Ok(())
    }

    /// One payment or transfer, with a key of its own.
    pub(crate) async fn pay(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        self.requests += 1;
        let (_, to) = movement(&mut self.draw, self.load, self.accounts);
        let (user, token, run, number) = (self.user, &self.token, self.run, self.number);
        let (path, body) = match to {
            Some(to) => {
                let to = if to == user {
                    to % self.accounts + 1
                } else {
                    to
                };
                (
                    "transfer",
                    format!(r#"{{"from_wallet_id":{user},"to_user_id":{to},"amount":1}}"#),
                )
            }
            None => (
                "pay",
                format!(r#"{{"wallet_id":{user},"merchant":"Tokopedia","amount":1}}"#),
            ),
        };
        let text = format!(
            "POST /api/v1/payments/{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             idempotency-key: {run}-{number}-{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.requests,
            body.len()
        );
        let status = connection.send(text.as_bytes()).await?;
        anyhow::ensure!(status == 201, "answered {status}");
        Ok(())
    }

    /// Reads something.
    pub(crate) async fn get(&self, connection: &mut Connection, path: &str) -> anyhow::Result<()> {
        let token = &self.token;
        let text = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        let status = connection.send(text.as_bytes()).await?;
        anyhow::ensure!(status == 200, "{path} answered {status}");
        Ok(())
    }
}
