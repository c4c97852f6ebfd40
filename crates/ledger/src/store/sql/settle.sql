-- The second half, once the batch before is durable: the head, as in commit.sql, and what the batch changes.
with head as (
    update ledger_head set seq = $1, hash = $3, at = $4, wallets = $5, numbers = $6, writer = $7
    where id = 0 and seq = $2 returning at
), opened as (
    insert into accounts (id, user_id, balance, currency, status, tier, usage)
    select v.* from head, unnest($8::int8[], $9::int8[], $10::int8[], $11::int2[], $12::int2[], $13::int2[], $14::text[]) v
), touched as (
    update accounts a set balance = v.balance, status = v.status, tier = coalesce(v.tier, a.tier), usage = coalesce(v.usage, a.usage)
    from head, unnest($15::int8[], $16::int8[], $17::int2[], $18::int2[], $19::text[]) v (id, balance, status, tier, usage)
    where a.id = v.id
), closed as (
    insert into closed_users (user_id) select v.* from head, unnest($20::int8[]) v on conflict do nothing
), drawn as (
    insert into remainders (seq, amount, used, last_draw, expires_at, held_of)
    select v.* from head, unnest($21::int8[], $22::int8[], $23::int8[], $24::int8[], $25::int8[], $26::int8[]) v
    on conflict (seq) do update set used = excluded.used, last_draw = excluded.last_draw
)
select count(*) from head
