-- Which ledger this is: drawn once, and never another's. Whoever follows the log keeps it with the position.
alter table ledger_head add column ledger blob not null default x'00000000000000000000000000000000';
update ledger_head set ledger = randomblob(16);
-- The highest id that the user service said it has given to somebody: the ledger learns of many of them only then.
create table known_users (
    id integer primary key check (id = 0),
    highest integer not null
);
insert into known_users values (0, 0);
