-- A user's list is put together from those of the user's wallets, which are few: one index less to write for every movement.
create index wallets_of_user on wallets (user_id);
drop index history_of_user;
