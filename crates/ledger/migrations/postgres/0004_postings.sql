-- The format of the log changed (postings of any kind, batches of format 3) before there was a release. A ledger that has entries of
-- the format before is refused here, and has to be made anew.
create table format_check (
    entries bigint constraint the_log_is_of_an_earlier_format_make_this_database_anew check (entries = 0)
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
    seq bigint primary key,
    debit_account bigint not null,
    credit_account bigint not null,
    amount bigint not null check (amount > 0),
    debit_balance bigint not null,
    credit_balance bigint not null,
    at bigint not null,
    key uuid not null,
    kind smallint not null,
    number bigint,
    by_actor bigint,
    draws_on bigint,
    group_seq bigint,
    expires_at bigint,
    note text
);
create unique index postings_key on postings (key);

-- The log, too: what happened to accounts, numbered together with the postings.
create table account_events (
    seq bigint primary key,
    kind smallint not null,
    wallet_id bigint,
    user_id bigint,
    currency smallint,
    status smallint,
    by_actor bigint,
    at bigint not null,
    key uuid not null
);
create unique index account_events_key on account_events (key);

-- How much of a posting was drawn: a row from the first draw on, or at once for a posting that expires.
create table remainders (
    seq bigint primary key,
    amount bigint not null,
    used bigint not null check (used between 0 and amount),
    last_draw bigint not null,
    expires_at bigint
) with (fillfactor = 50);
create index remainders_expiry on remainders (expires_at) where expires_at is not null and used < amount;

-- The hashes of notes that were erased: they stand in the chain for the text.
create table erased_notes (
    seq bigint primary key,
    hash bytea not null
);

-- History is append-only, for everybody who comes by SQL. A note may be erased, once its hash is kept.
create function refuse_change_of_posting() returns trigger language plpgsql as $$
begin
    if new.note is null and old.note is not null
        and to_jsonb(new) - 'note' = to_jsonb(old) - 'note'
        and exists (select 1 from erased_notes where seq = old.seq)
    then
        return new;
    end if;
    raise exception 'the ledger''s history is append-only';
end $$;
create trigger append_only_but_notes before update on postings
    for each row execute function refuse_change_of_posting();
create trigger append_only before delete or truncate on postings
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on account_events
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on erased_notes
    for each statement execute function refuse_change();
