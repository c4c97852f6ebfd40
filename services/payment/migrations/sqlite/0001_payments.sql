-- Payments, as the ledger's log has them. Everything here can be built again from the log.
create table payments (
    id integer primary key,
    user_id integer not null,
    wallet_id integer not null,
    merchant text not null,
    amount integer not null,
    currency text not null,
    -- microseconds since 1970
    created_at integer not null
) strict;
create index payments_of_user on payments (user_id, id desc);

-- The last entry of the log that is in here.
create table feed_position (
    id integer primary key check (id = 0),
    seq integer not null
) strict;
insert into feed_position (id, seq) values (0, 0);
