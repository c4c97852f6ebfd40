-- Payments know the number of their entry in the log, by which refunds and captures name them, so they are built anew from the log's
-- beginning. Everything here follows from it.
delete from payments;
update feed_position set seq = 0, ledger = null, mark = null;
alter table payments add column seq integer not null default 0;
-- The hold that it was captured from.
alter table payments add column hold_id integer;
create index payments_of_hold on payments (hold_id) where hold_id is not null;

-- Money that is reserved for a merchant. The id is the number of its entry in the log.
create table holds (
    id integer primary key,
    user_id integer not null,
    wallet_id integer not null,
    merchant text not null,
    amount integer not null,
    currency text not null,
    -- microseconds since 1970
    created_at integer not null,
    expires_at integer not null,
    captured integer not null,
    released integer not null,
    -- 0 authorized, 1 partially captured, 2 captured, 3 voided, 4 expired
    state integer not null,
    -- The entry that changed it last.
    last_seq integer not null
) strict;
create index holds_of_user on holds (user_id, id desc);

-- Money of a payment that was given back. The id is the number of its entry in the log.
create table refunds (
    id integer primary key,
    payment_seq integer not null,
    amount integer not null,
    by_actor integer not null,
    note text,
    -- Whether it waits for an owner whose wallet is closed.
    is_unclaimed integer not null,
    created_at integer not null
) strict;
create index refunds_of_payment on refunds (payment_seq, id);
