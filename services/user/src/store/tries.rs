//! The rows of [`crate::guard`]: tries that are counted, and the addresses that an account is known at.

use std::collections::HashMap;
use std::time::Duration;

use clock::Timestamp;
use store::{in_transaction, on_read, sqlx};

use super::Store;
use crate::error::Error;
use crate::guard::{Digest, Rule, Tries, Who};

/// Addresses that an account is known at; beyond, the ones not seen for longest are forgotten.
const ADDRESSES_MAX: i64 = 32;
/// The time after which an address that was not seen is forgotten.
const ADDRESS_REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// Subjects that are counted at once. Each costs a hash, so that they are few; beyond, those that are forgiven first are forgotten.
const SUBJECTS_MAX: i64 = 1_000_000;
/// Rows that one statement deletes.
const PRUNED_MAX: i64 = 50_000;

/// A try that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) subject: Digest,
    pub(crate) rule: Rule,
    /// The name of the rule, for metrics.
    pub(crate) name: &'static str,
}

impl Charge {
    pub(crate) fn new(subject: Digest, rule: Rule, name: &'static str) -> Charge {
        Charge {
            subject,
            rule,
            name,
        }
    }
}

/// Why a try was not counted. Nothing was changed.
pub(crate) enum NotCharged {
    /// The rule of this name lets the caller wait.
    Wait {
        rule: &'static str,
        wait: Duration,
    },
    Failed(Error),
}

impl From<sqlx::Error> for NotCharged {
    fn from(error: sqlx::Error) -> NotCharged {
        NotCharged::Failed(error.into())
    }
}

/// The tries of several subjects.
pub(crate) struct Standing {
    tries: HashMap<Vec<u8>, Tries>,
    /// True if it is an account with an address that it is known at.
    pub(crate) is_known: bool,
}

impl Standing {
    pub(crate) fn of(&self, subject: &Digest) -> Option<Tries> {
        self.tries.get(subject.as_slice()).copied()
    }
}

/// Remembers an address, and forgets those beyond the limit.
macro_rules! know {
    ($tx:ident, $pair:expr, $account:expr, $now:expr) => {{
        sqlx::query(
            "insert into known_addresses (subject, account, seen_at) values ($1, $2, $3)
             on conflict (subject) do update set seen_at = excluded.seen_at",
        )
        .bind($pair.as_slice())
        .bind($account.as_slice())
        .bind($now.micros())
        .execute(&mut *$tx)
        .await?;
        sqlx::query(
            "delete from known_addresses where account = $1 and subject not in
             (select subject from known_addresses where account = $1 order by seen_at desc limit $2)",
        )
        .bind($account.as_slice())
        .bind(ADDRESSES_MAX)
        .execute(&mut *$tx)
        .await?;
    }};
}

impl Store {
    /// The tries of these subjects, and whether `pair`, an account with an address, is known.
    pub(crate) async fn tries_of(
        &self,
        pair: Digest,
        subjects: [Digest; 4],
    ) -> Result<Standing, Error> {
        let [first, second, third, fourth] = &subjects;
        let rows: Vec<(Vec<u8>, i64, i64, i64)> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select subject, tried_at, forgiven_at, cast(0 as bigint) from tries where subject in ($2, $3, $4, $5)
                 union all
                 select subject, seen_at, seen_at, cast(1 as bigint) from known_addresses where subject = $1",
            )
            .bind(pair.as_slice())
            .bind(first.as_slice())
            .bind(second.as_slice())
            .bind(third.as_slice())
            .bind(fourth.as_slice())
            .fetch_all(pool)
            .await
        })?;
        let is_known = rows.iter().any(|(.., known)| *known == 1);
        let tries = rows
            .into_iter()
            .filter(|(.., known)| *known == 0)
            .map(|(subject, tried_at, forgiven_at, _)| (subject, tries(tried_at, forgiven_at)))
            .collect();
        Ok(Standing { tries, is_known })
    }

    /// Counts a try under every one of these rules, or under none: then one of them lets the caller wait.
    pub(crate) async fn charge(
        &self,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<(), NotCharged> {
        // In one order everywhere, so that nothing deadlocks.
        let mut charges = charges.to_vec();
        charges.sort_unstable_by_key(|charge| charge.subject);
        in_transaction!(&self.database, tx => {
            for charge in &charges {
                // An update that changes nothing locks the row; a new one begins with no tries.
                let (tried_at, forgiven_at): (i64, i64) = sqlx::query_as(
                    "insert into tries (subject, tried_at, forgiven_at) values ($1, 0, 0)
                     on conflict (subject) do update set subject = excluded.subject
                     returning tried_at, forgiven_at",
                )
                .bind(charge.subject.as_slice())
                .fetch_one(&mut *tx)
                .await?;
                let tries = tries(tried_at, forgiven_at);
                if let Some(wait) = charge.rule.wait(Some(tries), now) {
                    return Err(NotCharged::Wait { rule: charge.name, wait });
                }
                let tries = charge.rule.one_more(Some(tries), now);
                sqlx::query("update tries set tried_at = $2, forgiven_at = $3 where subject = $1")
                    .bind(charge.subject.as_slice())
                    .bind(tries.tried_at.micros())
                    .bind(tries.forgiven_at.micros())
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(())
        })
    }

    /// Gives a try back. `who` is known at their address now, and all tries of theirs from there are given back.
    pub(crate) async fn give_back(
        &self,
        charges: &[Charge],
        who: Option<Who>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let forgiven = who.map_or([None; 2], |who| [Some(who.pair), Some(who.known)]);
        let mut returns: Vec<(Digest, Option<i64>)> = charges
            .iter()
            .filter(|charge| !forgiven.contains(&Some(charge.subject)))
            .map(|charge| (charge.subject, Some(micros(charge.rule.forgiven_every))))
            .chain(
                forgiven
                    .into_iter()
                    .flatten()
                    .map(|subject| (subject, None)),
            )
            .collect();
        // In the same order as above.
        returns.sort_unstable();
        in_transaction!(&self.database, tx => {
            for (subject, each) in &returns {
                let query = match each {
                    Some(each) => sqlx::query(
                        "update tries set forgiven_at = forgiven_at - $2 where subject = $1",
                    )
                    .bind(subject.as_slice())
                    .bind(*each),
                    None => sqlx::query("delete from tries where subject = $1")
                        .bind(subject.as_slice()),
                };
                query.execute(&mut *tx).await?;
            }
            if let Some(who) = who {
                know!(tx, who.pair, who.account, now);
            }
            Ok::<_, Error>(())
        })
    }

    /// Remembers an address of an account.
    pub(crate) async fn know_address(
        &self,
        pair: Digest,
        account: Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            know!(tx, pair, account, now);
            Ok::<_, Error>(())
        })
    }

    /// Deletes what is forgiven, and forgets addresses that were not seen for long.
    pub(crate) async fn prune_tries(&self, now: Timestamp) -> Result<(), Error> {
        let remembered = micros(ADDRESS_REMEMBERED);
        let counted: i64 = on_read!(&self.database, pool => {
            sqlx::query_scalar("select count(*) from tries").fetch_one(pool).await
        })?;
        let beyond = counted.saturating_sub(SUBJECTS_MAX).clamp(0, PRUNED_MAX);
        in_transaction!(&self.database, tx => {
            sqlx::query(
                "delete from tries where subject in (select subject from tries where forgiven_at < $1 limit $2)",
            )
            .bind(now.micros())
            .bind(PRUNED_MAX)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "delete from tries where subject in (select subject from tries order by forgiven_at limit $1)",
            )
            .bind(beyond)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "delete from known_addresses where subject in
                 (select subject from known_addresses where seen_at < $1 limit $2)",
            )
            .bind(now.micros().saturating_sub(remembered))
            .bind(PRUNED_MAX)
            .execute(&mut *tx)
            .await?;
            Ok::<_, Error>(())
        })
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn tries(tried_at: i64, forgiven_at: i64) -> Tries {
    Tries {
        tried_at: Timestamp::from_micros(tried_at),
        forgiven_at: Timestamp::from_micros(forgiven_at),
    }
}
