-- Payments, as the ledger's log has them. Everything here can be built again from the log.
create table payments (
    id bigint primary key,
    user_id bigint not null,
    wallet_id bigint not null,
    merchant text not null,
    amount bigint not null,
    currency text not null,
    -- microseconds since 1970
    created_at bigint not null
);
create index payments_of_user on payments (user_id, id desc);

-- The last entry of the log that is in here. The row is updated all the time: room for that in its page.
create table feed_position (
    id smallint primary key check (id = 0),
    seq bigint not null
) with (fillfactor = 10);
insert into feed_position (id, seq) values (0, 0);
