-- Transactions count from 1 without a gap, in the order of the log: `number` is the id that clients see. For what was recorded it
-- is the same as `id`, which goes on saying which side of which entry a row is.
-- Rows of the release before have none until the follower gives them theirs, a bounded stretch at a time: while an upgrade goes on,
-- processes of that release add some more.
alter table history add column number bigint;
create unique index history_by_number on history (number);
-- Empty when every row has its number, so it costs nothing then.
create index history_without_number on history (id) where number is null;
-- Nothing looks for this any more, and one index is what writing a row can afford for finding it.
alter table history drop constraint history_pkey;

-- The entry up to which rows have their numbers, and the last number that the log's rows have.
alter table feed_position add column numbered bigint not null default 0;
alter table feed_position add column last_number bigint not null default 0;
