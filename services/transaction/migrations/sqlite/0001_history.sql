-- What happened to each wallet: built from the ledger's log, and beside it what services record by hand.
create table history (
    -- From the log: twice the entry's number for the side that paid, one more for the side that received. Recorded: from 2^52.
    id integer primary key,
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
create index history_of_user on history (user_id, created_at, id);
create index history_of_wallet on history (wallet_id, created_at, id);

create table wallets (
    wallet_id integer primary key,
    user_id integer not null,
    currency text not null
) strict;

-- Sums for each user and currency. A sum that reaches 2^63 - 1 stays there.
create table totals (
    user_id integer not null,
    currency text not null,
    entries integer not null,
    topup integer not null,
    payment integer not null,
    sent integer not null,
    received integer not null,
    withdrawal integer not null,
    primary key (user_id, currency)
) strict;

-- The last id that was given to a recorded entry.
create table recorded_ids (
    id integer primary key check (id = 0),
    last integer not null
) strict;
insert into recorded_ids (id, last) values (0, 4503599627370495);

-- Which recorded entry an idempotency key made, and from which request.
create table recorded_keys (
    service text not null,
    key text not null,
    request_sha256 blob not null,
    history_id integer not null,
    primary key (service, key)
) strict;

-- The last entry of the log that is in here.
create table feed_position (
    id integer primary key check (id = 0),
    seq integer not null
) strict;
insert into feed_position (id, seq) values (0, 0);
