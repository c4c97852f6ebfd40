-- Both halves of the log as one, in order. Each is limited by itself: PostgreSQL would read all that comes after $1, for every page.
select p.seq, p.at, p.key, p.kind, p.debit_account, p.credit_account, p.amount, p.debit_balance, p.credit_balance,
       p.number, p.by_actor, p.draws_on, p.group_seq, p.expires_at, p.note, e.hash as erased_note,
       cast(null as bigint) as wallet_id, cast(null as bigint) as user_id, cast(null as smallint) as currency,
       cast(null as smallint) as status
from (select * from postings where seq > $1 order by seq limit $2) p left join erased_notes e on e.seq = p.seq
union all
select h.seq, h.at, h.key, h.kind, null, null, null, null, null, null, h.by_actor, null, null, null, h.text, null,
       h.wallet_id, h.user_id, h.currency, h.status
from (select * from account_events where seq > $1 order by seq limit $2) h
order by seq limit $2
