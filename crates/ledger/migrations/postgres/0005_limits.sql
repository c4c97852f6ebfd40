-- How well the owner of a wallet is known, and what the wallet has used of its limits: JSON, null for nothing.
alter table accounts add column tier smallint not null default 0;
alter table accounts add column usage text;

-- The reason of a change of tier (its tier is in the column of the status), or the limits that an entry sets, as JSON.
alter table account_events add column text text;

-- The limits in force are those of the newest entry of their kind.
create index account_events_limits on account_events (seq) where kind = 105;

-- Money whose owner is gone is listed by its age: the postings of its kind.
create index postings_unclaimed on postings (seq) where kind = 13;
