create table users (
    -- autoincrement: an id is never given twice.
    id integer primary key autoincrement,
    name text not null,
    email text not null,
    -- The address in lower case. Null for who was deleted, so that the address can be registered again.
    email_key text unique,
    phone text not null,
    password_hash text not null,
    role text not null check (role in ('user', 'admin')),
    -- Times are microseconds since 1970, except where it says otherwise.
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer,
    check ((deleted_at is null) = (email_key is not null))
) strict;

-- The answers to registrations that came with an Idempotency-Key.
create table idempotency (
    key text primary key,
    -- An HMAC under a key of the server: the request has a password in it.
    request_hash blob not null,
    user_id integer not null references users (id),
    -- The user as it was answered; null once the user is deleted.
    user_json text,
    session text not null,
    issued_at integer not null
) strict;
create index idempotency_user on idempotency (user_id);

-- One row. Whoever appends a revocation moves it in the same transaction: so numbers are committed in order, without gaps.
create table session_head (
    one integer primary key check (one = 1),
    seq integer not null
) strict;
insert into session_head (one, seq) values (1, 0);

create table revocations (
    seq integer primary key,
    kind text not null check (kind in ('user', 'session')),
    subject text not null,
    -- Seconds since 1970.
    expires_at integer not null
) strict;
create index revocations_expiry on revocations (expires_at);

-- Deleted users of whom the ledger has yet to be told.
create table closures (
    user_id integer primary key references users (id),
    requested_at integer not null
) strict;
