-- Tries that count against whoever makes them: wrong passwords, and registrations of addresses that are taken. They are here and not in
-- memory, because a restart must not give new ones. A row whose tries are all forgiven is deleted.
create table tries (
    -- An HMAC under a key of the server, of what is counted: an account, an address, or both.
    subject bytea primary key,
    -- When the last try was.
    tried_at bigint not null,
    -- When the last one will be forgiven: so much each.
    forgiven_at bigint not null
);
create index tries_forgiven on tries (forgiven_at);

-- The addresses that somebody has logged in from. Strangers do not slow down who comes from one.
create table known_addresses (
    -- An HMAC of account and address.
    subject bytea primary key,
    -- An HMAC of the account.
    account bytea not null,
    seen_at bigint not null
);
create index known_addresses_account on known_addresses (account, seen_at);
create index known_addresses_seen on known_addresses (seen_at);

-- The idempotency key together with the caller's address: one caller's key means nothing to another.
alter table idempotency add column caller_key text;
create unique index idempotency_caller_key on idempotency (caller_key);
