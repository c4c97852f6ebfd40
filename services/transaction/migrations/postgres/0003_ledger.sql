-- Which ledger the position is in, and the mark of the entry there: what the log looked like. Null for what an earlier release
-- applied, until the next entry.
alter table feed_position add column ledger uuid;
alter table feed_position add column mark text;
