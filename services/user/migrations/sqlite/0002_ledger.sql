-- Which ledger these users belong to: where its log ended when it was last asked, the mark of the entry there, and up to which id
-- an operator has said that users who are not here are lost. Null until the ledger was asked for the first time.
create table ledger (
    one integer primary key check (one = 1),
    ledger blob,
    seq integer not null,
    mark text,
    lost_up_to integer not null
) strict;
insert into ledger values (1, null, 0, null, 0);
