-- What happened to each wallet: built from the ledger's log, and beside it what services record by hand.
create table history (
    -- From the log: twice the entry's number for the side that paid, one more for the side that received. Recorded: from 2^52.
    id bigint primary key,
    user_id bigint not null,
    wallet_id bigint not null,
    -- 1 topup, 2 payment, 3 transfer that was sent, 4 transfer that was received, 5 withdrawal
    kind smallint not null,
    amount bigint not null,
    currency text not null,
    description text not null,
    counterparty_wallet_id bigint,
    balance_after bigint,
    payment_id bigint,
    -- microseconds since 1970
    created_at bigint not null
);
create index history_of_user on history (user_id, created_at, id);
create index history_of_wallet on history (wallet_id, created_at, id);

create table wallets (
    wallet_id bigint primary key,
    user_id bigint not null,
    currency text not null
);

-- Sums for each user and currency. A sum that reaches 2^63 - 1 stays there.
create table totals (
    user_id bigint not null,
    currency text not null,
    entries bigint not null,
    topup bigint not null,
    payment bigint not null,
    sent bigint not null,
    received bigint not null,
    withdrawal bigint not null,
    primary key (user_id, currency)
) with (fillfactor = 70);

-- The last id that was given to a recorded entry.
create table recorded_ids (
    id smallint primary key check (id = 0),
    last bigint not null
) with (fillfactor = 10);
insert into recorded_ids (id, last) values (0, 4503599627370495);

-- Which recorded entry an idempotency key made, and from which request.
create table recorded_keys (
    service text not null,
    key text not null,
    request_sha256 bytea not null,
    history_id bigint not null,
    primary key (service, key)
);

-- The last entry of the log that is in here. The row is updated all the time: room for that in its page.
create table feed_position (
    id smallint primary key check (id = 0),
    seq bigint not null
) with (fillfactor = 10);
insert into feed_position (id, seq) values (0, 0);
