-- Which ledger this is: drawn once, and never another's. Whoever follows the log keeps it with the position.
alter table ledger_head add column ledger uuid not null default gen_random_uuid();
-- The highest id that the user service said it has given to somebody: the ledger learns of many of them only then.
create table known_users (
    id smallint primary key check (id = 0),
    highest bigint not null
);
insert into known_users values (0, 0);
