-- Payments know the number of their entry in the log, by which refunds and captures name them, so they are built anew from the log's
-- beginning. Everything here follows from it.
delete from payments;
update feed_position set seq = 0, ledger = null, mark = null;
alter table payments add column seq bigint not null default 0;
-- The hold that it was captured from.
alter table payments add column hold_id bigint;
create index payments_of_hold on payments (hold_id) where hold_id is not null;

-- Money that is reserved for a merchant. The id is the number of its entry in the log.
create table holds (
    id bigint primary key,
    user_id bigint not null,
    wallet_id bigint not null,
    merchant text not null,
    amount bigint not null,
    currency text not null,
    -- microseconds since 1970
    created_at bigint not null,
    expires_at bigint not null,
    captured bigint not null,
    released bigint not null,
    -- 0 authorized, 1 partially captured, 2 captured, 3 voided, 4 expired
    state smallint not null,
    -- The entry that changed it last.
    last_seq bigint not null
);
create index holds_of_user on holds (user_id, id desc);

-- Money of a payment that was given back. The id is the number of its entry in the log.
create table refunds (
    id bigint primary key,
    payment_seq bigint not null,
    amount bigint not null,
    by_actor bigint not null,
    note text,
    -- Whether it waits for an owner whose wallet is closed.
    is_unclaimed boolean not null,
    created_at bigint not null
);
create index refunds_of_payment on refunds (payment_seq, id);
