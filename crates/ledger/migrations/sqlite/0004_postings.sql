-- The format of the log changed (postings of any kind, batches of format 3) before there was a release. A ledger that has entries of
-- the format before is refused here, and has to be made anew.
create table format_check (
    entries integer constraint the_log_is_of_an_earlier_format_make_this_database_anew check (entries = 0)
);
insert into format_check select seq from ledger_head;
drop table format_check;
drop table transfers;
drop table account_events;

-- The counter of the kinds of postings that are numbered.
alter table ledger_head rename column payments to numbers;

-- The log: one immutable row for each posting, with both balances after it. by_actor is null for the owner of the wallet that is
-- debited, or else credited; otherwise it is a user's id, or a negative number for a service.
create table postings (
    seq integer primary key,
    debit_account integer not null,
    credit_account integer not null,
    amount integer not null check (amount > 0),
    debit_balance integer not null,
    credit_balance integer not null,
    at integer not null,
    key blob not null,
    kind integer not null,
    number integer,
    by_actor integer,
    draws_on integer,
    group_seq integer,
    expires_at integer,
    note text
) strict;
create unique index postings_key on postings (key);

-- The log, too: what happened to accounts, numbered together with the postings.
create table account_events (
    seq integer primary key,
    kind integer not null,
    wallet_id integer,
    user_id integer,
    currency integer,
    status integer,
    by_actor integer,
    at integer not null,
    key blob not null
) strict;
create unique index account_events_key on account_events (key);

-- How much of a posting was drawn: a row from the first draw on, or at once for a posting that expires.
create table remainders (
    seq integer primary key,
    amount integer not null,
    used integer not null check (used between 0 and amount),
    last_draw integer not null,
    expires_at integer
) strict;
create index remainders_expiry on remainders (expires_at) where expires_at is not null and used < amount;

-- The hashes of notes that were erased: they stand in the chain for the text.
create table erased_notes (
    seq integer primary key,
    hash blob not null
) strict;

-- History is append-only, for everybody who comes by SQL. A note may be erased, once its hash is kept.
create trigger postings_no_update before update on postings
    when not (
        new.note is null and old.note is not null
        and new.seq = old.seq and new.debit_account = old.debit_account and new.credit_account = old.credit_account
        and new.amount = old.amount and new.debit_balance = old.debit_balance and new.credit_balance = old.credit_balance
        and new.at = old.at and new.key = old.key and new.kind = old.kind and new.number is old.number
        and new.by_actor is old.by_actor and new.draws_on is old.draws_on and new.group_seq is old.group_seq
        and new.expires_at is old.expires_at
        and exists (select 1 from erased_notes where seq = old.seq))
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger postings_no_delete before delete on postings
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger account_events_no_update before update on account_events
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger account_events_no_delete before delete on account_events
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger erased_notes_no_update before update on erased_notes
    begin select raise(abort, 'the ledger''s history is append-only'); end;
create trigger erased_notes_no_delete before delete on erased_notes
    begin select raise(abort, 'the ledger''s history is append-only'); end;
