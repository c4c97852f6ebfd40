//! Whether the four databases belong together, asked of the databases themselves before anything runs.
//!
//! The services would find out, too, one after the other. Here everything is at hand before the first of them has made anything:
//! neither a database, nor demo users, nor demo money, nor an administrator is made beside what is there.

use anyhow::Context as _;
use feed_follower::Position;
use ledger::standing::{page, standing};
use ledger::store::{LedgerStore as _, SqlStore};
use ledger_api::{LogPage, Standing, USERS_PAGE_MAX};
use store::{Database, on_read, sqlx};
use user::{LedgerView, judge};

use crate::Home;

/// The sentence that says where to read on.
const READ_ON: &str = "docs/OPERATIONS.md, After a restore; `dompet repair` says how to go on";

/// A service whose database does not go with the ledger, and why.
pub(crate) struct Finding {
    /// The service.
    pub(crate) service: &'static str,
    /// The reason, as a sentence.
    pub(crate) why: String,
}

/// The ledger, straight from its database.
pub(crate) struct Ledger(pub(crate) SqlStore);

impl Ledger {
    pub(crate) async fn open(home: &Home) -> anyhow::Result<Ledger> {
        let database = Database::open(&home.database("wallet")).await?;
        Ok(Ledger(SqlStore::new(database)))
    }
}

#[async_trait::async_trait]
impl feed_follower::Log for Ledger {
    async fn page(&self, after: i64, limit: i64) -> anyhow::Result<LogPage> {
        Ok(page(&self.0, None, after, limit).await?)
    }
}

#[async_trait::async_trait]
impl LedgerView for Ledger {
    async fn standing(&self, seq: i64) -> anyhow::Result<Standing> {
        Ok(standing(&self.0, seq, wallet::demo_key()).await?)
    }

    async fn users(&self, after: i64) -> anyhow::Result<Vec<i64>> {
        Ok(self.0.users(after, USERS_PAGE_MAX).await?)
    }

    async fn closed_users(&self, after: i64) -> anyhow::Result<Vec<i64>> {
        Ok(self.0.closed_users(after, USERS_PAGE_MAX).await?)
    }
}

/// Before the schemas are brought to this version's: whether a database is missing, or has never been used, that others depend on.
pub(crate) async fn check_that_none_is_missing(home: &Home) -> anyhow::Result<()> {
    let highest_owner = "select coalesce(max(user_id), 0) from accounts where user_id is not null";
    let wallet = number(home, "wallet", highest_owner).await?;
    let user = number(home, "user", "select coalesce(max(id), 0) from users").await?;
    let position = "select seq from feed_position where id = 0";
    let others = [
        ("users", user),
        ("history", number(home, "transaction", position).await?),
        ("payments", number(home, "payment", position).await?),
    ];
    let used: Vec<&str> = others
        .iter()
        .filter(|(_, number)| number.is_some_and(|number| number > 0))
        .map(|(name, _)| *name)
        .collect();
    anyhow::ensure!(
        wallet.is_some() || used.is_empty(),
        "{} is missing, and there are {} of its ledger: put it back, and nothing is made in its place ({READ_ON})",
        home.name("wallet"),
        used.join(" and ")
    );
    let known = wallet.unwrap_or(0);
    anyhow::ensure!(
        user.is_some() || known == 0,
        "{} is missing, and the ledger knows users up to {known}: put it back, and nobody is made in its place ({READ_ON})",
        home.name("user")
    );
    Ok(())
}

/// Checks whether what is there goes with the ledger. The schemas are this version's.
pub(crate) async fn check(home: &Home, demo_data: bool) -> anyhow::Result<()> {
    let findings = findings(home, &Ledger::open(home).await?, demo_data).await?;
    if findings.is_empty() {
        return Ok(());
    }
    let name = |finding: &Finding| format!("{}: {}", home.name(finding.service), finding.why);
    let sentences: Vec<String> = findings.iter().map(name).collect();
    anyhow::bail!(
        "{}; `dompet repair` says how to go on",
        sentences.join("\n")
    )
}

/// Everything that does not go with the ledger.
pub(crate) async fn findings(
    home: &Home,
    ledger: &Ledger,
    demo_data: bool,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if let Some(own) = user::own(&home.database("user")).await? {
        let there = ledger.standing(own.position.seq).await?;
        if let Err(foreign) = judge(&own, &there, demo_data) {
            findings.push(Finding {
                service: "user",
                why: foreign.to_string(),
            });
        }
    }
    let followers = [
        (
            "transaction",
            transaction::position(&home.database("transaction"), &wallet_api::KINDS).await?,
        ),
        (
            "payment",
            payment::position(&home.database("payment")).await?,
        ),
    ];
    for (service, position) in followers {
        let Some(position) = position else { continue };
        if let Some(why) = mismatch(ledger, &position).await? {
            findings.push(Finding { service, why });
        }
    }
    Ok(findings)
}

async fn mismatch(ledger: &Ledger, position: &Position) -> anyhow::Result<Option<String>> {
    let there = ledger.standing(position.seq).await?;
    let belongs = position.belongs_to(&there.seen());
    Ok(belongs
        .err()
        .map(|mismatch| feed_follower::Stopped::from(mismatch).to_string()))
}

/// The answer of a service's database to a query that every release understands; `None` where it has no such table.
async fn number(
    home: &Home,
    service: &'static str,
    query: &'static str,
) -> anyhow::Result<Option<i64>> {
    if home.has_no_file_of(service) {
        return Ok(None);
    }
    let config = home.database(service);
    let database = Database::open(&config).await?;
    database.wait_until_there(&config).await?;
    let number = on_read!(&database, pool => sqlx::query_scalar(query).fetch_one(pool).await);
    database.close().await;
    match number {
        Ok(number) => Ok(Some(number)),
        Err(sqlx::Error::Database(error)) if is_no_such_table(&*error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", home.name(service))),
    }
}

/// PostgreSQL has codes for it, SQLite has a sentence.
fn is_no_such_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("42P01" | "3F000"))
        || error.message().starts_with("no such table")
}
