-- The ledger's one lock and its counters: where the log ends, and which numbers were given out.
create table ledger_head (
    id integer primary key check (id = 0),
    seq integer not null,
    wallets integer not null,
    payments integer not null,
    at integer not null,
    hash blob not null
);
insert into ledger_head values (0, 0, 0, 0, 0, zeroblob(32));

-- Wallets have positive ids and an owner, the system's accounts negative ids and none.
create table accounts (
    id integer primary key,
    user_id integer,
    balance integer not null,
    currency integer not null,
    status integer not null,
    check ((id > 0) = (user_id is not null)),
    check (id < 0 or balance >= 0)
) strict;
create unique index accounts_owner on accounts (user_id, currency) where user_id is not null;

-- Users who are gone: they get no wallet any more.
create table closed_users (
    user_id integer primary key
) strict;

-- The log: one immutable row for each movement, with both balances after it.
create table transfers (
    seq integer primary key,
    debit_account integer not null,
    credit_account integer not null,
    amount integer not null check (amount > 0),
    debit_balance integer not null,
    credit_balance integer not null,
    payment_id integer,
    at integer not null,
    key blob not null,
    kind integer not null,
    description text
) strict;
create unique index transfers_key on transfers (key);

-- The log, too: what happened to accounts, numbered together with the transfers.
create table account_events (
    seq integer primary key,
    kind integer not null,
    wallet_id integer,
    user_id integer,
    currency integer,
    status integer,
    at integer not null,
    key blob not null
) strict;
create unique index account_events_key on account_events (key);

-- One row a commit: the hash over its entries and the hash before it, and the random bytes that hide its balances in the hash.
create table batches (
    last_seq integer primary key,
    first_seq integer not null,
    hash blob not null,
    blind blob not null
) strict;

-- History is append-only, for everybody who comes by SQL.
create trigger transfers_no_update before update on transfers
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger transfers_no_delete before delete on transfers
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger account_events_no_update before update on account_events
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger account_events_no_delete before delete on account_events
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger batches_no_update before update on batches
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger batches_no_delete before delete on batches
    begin select raise(abort, 'the ledger''s history is append-only'); end;
