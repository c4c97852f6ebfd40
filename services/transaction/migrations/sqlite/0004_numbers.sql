-- Transactions count from 1 without a gap, in the order of the log: `number` is the id that clients see. For what was recorded it
-- is the same as `id`, which goes on saying which side of which entry a row is.
create table numbered_history (
    number integer primary key,
    id integer not null,
    user_id integer not null,
    wallet_id integer not null,
    -- 1 topup, 2 payment, 3 transfer that was sent, 4 transfer that was received, 5 withdrawal
    kind integer not null,
    amount integer not null,
    currency text not null,
    description text not null,
    counterparty_wallet_id integer,
    balance_after integer,
    payment_id integer,
    -- microseconds since 1970
    created_at integer not null
) strict;
insert into numbered_history
select case when id < 4503599627370496 then row_number() over (order by id) else id end, id, user_id, wallet_id, kind, amount,
    currency, description, counterparty_wallet_id, balance_after, payment_id, created_at
from history;
drop table history;
alter table numbered_history rename to history;
create index history_of_wallet on history (wallet_id, created_at, id);

-- The entry up to which rows have their numbers, and the last number that the log's rows have.
alter table feed_position add column numbered integer not null default 0;
alter table feed_position add column last_number integer not null default 0;
update feed_position set numbered = seq, last_number = (select count(*) from history where id < 4503599627370496);
