-- A batch that has no other before it: one statement, one round trip, one commit. The head moves only from where the batch was
-- decided ($2); if it is elsewhere, `head` is empty, and every part that selects from it writes nothing. The parts see the state before
-- the statement, so a new account is inserted as it will stand and is not among those that are updated.
with head as (
    update ledger_head set seq = $1, hash = $3, at = $5, wallets = $6, numbers = $7, writer = $8
    where id = 0 and seq = $2 returning at
), posted as (
    insert into postings (seq, debit_account, credit_account, amount, debit_balance, credit_balance, at, key, kind,
                          number, by_actor, draws_on, group_seq, expires_at, note)
    select v.seq, v.debit, v.credit, v.amount, v.debit_balance, v.credit_balance, head.at, v.key, v.kind,
           v.number, v.by_actor, v.draws_on, v.group_seq, v.expires_at, v.note
    from head, unnest($9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::uuid[], $16::int2[],
                      $17::int8[], $18::int8[], $19::int8[], $20::int8[], $21::int8[], $22::text[])
        v (seq, debit, credit, amount, debit_balance, credit_balance, key, kind, number, by_actor, draws_on, group_seq, expires_at, note)
), happened as (
    insert into account_events (seq, kind, wallet_id, user_id, currency, status, by_actor, at, key, text)
    select v.seq, v.kind, v.wallet_id, v.user_id, v.currency, v.status, v.by_actor, head.at, v.key, v.text
    from head, unnest($23::int8[], $24::int2[], $25::int8[], $26::int8[], $27::int2[], $28::int2[], $29::int8[], $30::uuid[], $31::text[])
        v (seq, kind, wallet_id, user_id, currency, status, by_actor, key, text)
), batch as (
    insert into batches (last_seq, first_seq, hash, blind) select $1, $2 + 1, $3, $4 from head
), opened as (
    insert into accounts (id, user_id, balance, currency, status, tier, usage)
    select v.* from head, unnest($32::int8[], $33::int8[], $34::int8[], $35::int2[], $36::int2[], $37::int2[], $38::text[]) v
), touched as (
    update accounts a set balance = v.balance, status = v.status, tier = coalesce(v.tier, a.tier), usage = coalesce(v.usage, a.usage)
    from head, unnest($39::int8[], $40::int8[], $41::int2[], $42::int2[], $43::text[]) v (id, balance, status, tier, usage)
    where a.id = v.id
), closed as (
    insert into closed_users (user_id) select v.* from head, unnest($44::int8[]) v on conflict do nothing
), drawn as (
    insert into remainders (seq, amount, used, last_draw, expires_at, held_of)
    select v.* from head, unnest($45::int8[], $46::int8[], $47::int8[], $48::int8[], $49::int8[], $50::int8[]) v
    on conflict (seq) do update set used = excluded.used, last_draw = excluded.last_draw
)
select count(*) from head
