select p.seq, p.at, p.key, p.kind, p.debit_account, p.credit_account, p.amount, p.debit_balance, p.credit_balance,
       p.number, p.by_actor, p.draws_on, p.group_seq, p.expires_at, p.note, e.hash as erased_note,
       cast(null as bigint) as wallet_id, cast(null as bigint) as user_id, cast(null as smallint) as currency,
       cast(null as smallint) as status
from postings p left join erased_notes e on e.seq = p.seq where p.key = any($1)
union all
select h.seq, h.at, h.key, h.kind, null, null, null, null, null, null, h.by_actor, null, null, null, h.text, null,
       h.wallet_id, h.user_id, h.currency, h.status
from account_events h where h.key = any($1)
