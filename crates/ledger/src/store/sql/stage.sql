-- The first half of a batch that is written while the one before it is on its way: nobody sees it before the second half.
with posted as (
    insert into postings (seq, debit_account, credit_account, amount, debit_balance, credit_balance, at, key, kind,
                          number, by_actor, draws_on, group_seq, expires_at, note)
    select v.seq, v.debit, v.credit, v.amount, v.debit_balance, v.credit_balance, $5::int8, v.key, v.kind,
           v.number, v.by_actor, v.draws_on, v.group_seq, v.expires_at, v.note
    from unnest($6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::uuid[], $13::int2[],
                $14::int8[], $15::int8[], $16::int8[], $17::int8[], $18::int8[], $19::text[])
        v (seq, debit, credit, amount, debit_balance, credit_balance, key, kind, number, by_actor, draws_on, group_seq, expires_at, note)
), happened as (
    insert into account_events (seq, kind, wallet_id, user_id, currency, status, by_actor, at, key, text)
    select v.seq, v.kind, v.wallet_id, v.user_id, v.currency, v.status, v.by_actor, $5::int8, v.key, v.text
    from unnest($20::int8[], $21::int2[], $22::int8[], $23::int8[], $24::int2[], $25::int2[], $26::int8[], $27::uuid[], $28::text[])
        v (seq, kind, wallet_id, user_id, currency, status, by_actor, key, text)
)
insert into batches (last_seq, first_seq, hash, blind) values ($1, $2 + 1, $3, $4)
