-- Of which wallet money is held, so that a wallet's page can tell how much: the wallet that a posting reserves money of. Null for any other
-- posting that is drawn on.
alter table remainders add column held_of integer;
create index remainders_held on remainders (held_of) where held_of is not null and used < amount;
