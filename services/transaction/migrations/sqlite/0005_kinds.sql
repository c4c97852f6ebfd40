-- Rows and sums are by the codes of the table of kinds. The ledger's log has another format since the same release, so history is
-- built anew from its beginning, and no process of a release before can follow it. Only what services recorded is in no other place.
delete from history where id < 4503599627370496;
delete from wallets;
update feed_position set seq = 0, ledger = null, mark = null, last_number = 0;
alter table feed_position drop column numbered;

-- `kind` was 3 for a transfer that was sent, 4 for one that was received and 5 for a withdrawal. Now it is the code in the table of
-- kinds, where a withdrawal has 4, and the direction follows from `id`. Nobody recorded a transfer that was received.
update history set kind = 4 where kind = 5;

-- Sums for each user, currency, kind and direction. An amount that reaches 2^63 - 1 stays there.
drop table totals;
create table totals (
    user_id integer not null,
    currency text not null,
    kind integer not null,
    -- Whether it is of money that came in.
    is_in integer not null check (is_in in (0, 1)),
    entries integer not null,
    amount integer not null,
    primary key (user_id, currency, kind, is_in)
) strict;
-- Halves are summed apart: neither can leave 64 bits.
insert into totals
select user_id, currency, kind, kind = 1, count(*), case
    when sum(amount >> 32) + (sum(amount & 4294967295) >> 32) > 2147483647 then 9223372036854775807
    else (sum(amount >> 32) << 32) + sum(amount & 4294967295) end
from history group by user_id, currency, kind;
