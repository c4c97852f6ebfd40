-- The ledger's one lock and its counters: where the log ends, and which numbers were given out.
create table ledger_head (
    id smallint primary key check (id = 0),
    seq bigint not null,
    wallets bigint not null,
    payments bigint not null,
    at bigint not null,
    hash bytea not null
) with (fillfactor = 10);
insert into ledger_head values (0, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'));

-- Wallets have positive ids and an owner, the system's accounts negative ids and none. Touched rows stay on their page.
create table accounts (
    id bigint primary key,
    user_id bigint,
    balance bigint not null,
    currency smallint not null,
    status smallint not null,
    check ((id > 0) = (user_id is not null)),
    check (id < 0 or balance >= 0)
) with (fillfactor = 50);
create unique index accounts_owner on accounts (user_id, currency) where user_id is not null;

-- Users who are gone: they get no wallet any more.
create table closed_users (
    user_id bigint primary key
);

-- The log: one immutable row for each movement, with both balances after it.
create table transfers (
    seq bigint primary key,
    debit_account bigint not null,
    credit_account bigint not null,
    amount bigint not null check (amount > 0),
    debit_balance bigint not null,
    credit_balance bigint not null,
    payment_id bigint,
    at bigint not null,
    key uuid not null,
    kind smallint not null,
    description text
);
create unique index transfers_key on transfers (key);

-- The log, too: what happened to accounts, numbered together with the transfers.
create table account_events (
    seq bigint primary key,
    kind smallint not null,
    wallet_id bigint,
    user_id bigint,
    currency smallint,
    status smallint,
    at bigint not null,
    key uuid not null
);
create unique index account_events_key on account_events (key);

-- One row a commit: the hash over its entries and the hash before it, and the random bytes that hide its balances in the hash.
create table batches (
    last_seq bigint primary key,
    first_seq bigint not null,
    hash bytea not null,
    blind bytea not null
);

-- History is append-only, for everybody who comes by SQL.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger''s history is append-only';
end $$;
create trigger append_only before update or delete or truncate on transfers
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on account_events
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on batches
    for each statement execute function refuse_change();
