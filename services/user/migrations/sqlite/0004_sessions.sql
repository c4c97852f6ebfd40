-- The sessions of a user have numbers that only grow: microseconds since 1970 where nothing is in the way. This is the last number that was
-- given; an end of sessions takes one, too. It is not behind a counter, so that a restored database gives no number again.
alter table users add column last_session integer not null default 0;
-- When the password was changed last; 0 where it is the first.
alter table users add column password_changed_at integer not null default 0;

-- Sessions whose token is good: what a user sees of them, and can end.
create table sessions (
    user_id integer not null references users (id),
    number integer not null,
    -- As it is in the token.
    id text not null,
    created_at integer not null,
    -- Seconds since 1970.
    expires_at integer not null,
    user_agent text,
    address text,
    primary key (user_id, number)
) strict;
create index sessions_expiry on sessions (expires_at);

-- One row for each user of whom sessions ended: those with a number below `ended_before` are over, but for `kept`. Its seq is drawn from the
-- session head each time that the row changes, so that whoever follows reads it again.
create table session_ends (
    user_id integer primary key references users (id),
    seq integer not null unique,
    ended_before integer not null,
    -- Numbers with commas between.
    kept text not null,
    -- Seconds since 1970.
    expires_at integer not null
) strict;
create index session_ends_expiry on session_ends (expires_at);

-- Hashes of the values that ADMIN_PASSWORD has had. One that was replaced is not taken a second time.
create table admin_passwords (
    user_id integer not null references users (id),
    set_at integer not null,
    password_hash text not null,
    primary key (user_id, password_hash)
) strict;
