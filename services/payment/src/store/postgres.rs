//! Adding payments on PostgreSQL where nothing else was added: one statement, one round trip.

use feed_follower::Position;
use store::PostgresPool;
use store::sqlx;

use crate::domain::Payment;

/// The rows go in only where the position moved. The commit does not wait for the disk: a crash undoes rows and position
/// together, and then the log is followed from there again.
const APPEND: &str = "
    with moved as (
        update feed_position set seq = $2, ledger = $10, mark = $11 where id = 0 and seq = $1 returning 1
    ), added as (
        insert into payments (id, user_id, wallet_id, merchant, amount, currency, created_at, seq)
        select v.* from moved, unnest($3::int8[], $4::int8[], $5::int8[], $6::text[], $7::int8[], $8::text[], $9::int8[], $12::int8[]) v
    )
    select count(*), set_config('synchronous_commit', 'off', true) from moved";

pub(super) async fn append(
    pool: &PostgresPool,
    from: i64,
    to: &Position,
    payments: &[Payment],
) -> sqlx::Result<bool> {
    let numbers = |field: fn(&Payment) -> i64| payments.iter().map(field).collect::<Vec<i64>>();
    let texts = |field: fn(&Payment) -> &str| payments.iter().map(field).collect::<Vec<&str>>();
    let mut session = pool.lend().await?;
    let (moved, _): (i64, String) = sqlx::query_as(APPEND)
        .bind(from)
        .bind(to.seq)
        .bind(numbers(|payment| payment.id))
        .bind(numbers(|payment| payment.user_id))
        .bind(numbers(|payment| payment.wallet_id))
        .bind(texts(|payment| &payment.merchant))
        .bind(numbers(|payment| payment.amount))
        .bind(texts(|payment| payment.currency.code()))
        .bind(numbers(|payment| payment.created_at.micros()))
        .bind(to.ledger)
        .bind(&to.mark)
        .bind(numbers(|payment| payment.seq))
        .fetch_one(&mut *session)
        .await?;
    session.commit().await?;
    Ok(moved == 1)
}
