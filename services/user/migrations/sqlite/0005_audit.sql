-- Who did what to which account: written in the transaction of the act. Rows are only added, and leave when they are old.
create table audit_log (
    -- autoincrement: a number is never given twice.
    id integer primary key autoincrement,
    -- Microseconds since 1970.
    at integer not null,
    -- Null where nobody proved who they are.
    actor_id integer,
    actor_role text not null check (actor_role in ('user', 'admin', 'service', 'nobody')),
    act text not null,
    object_kind text not null,
    -- Null where there is no such thing, as at a log-in with an unknown address: what was typed there may be a password.
    object_id text,
    result text not null check (result in ('done', 'refused')),
    reason text,
    address text,
    trace_id text,
    -- The ledger's key of the order, where another service did it: who tells twice is heard once.
    told_key blob unique
) strict;
create index audit_log_actor on audit_log (actor_id, id);
create index audit_log_object on audit_log (object_kind, object_id, id);
create index audit_log_act on audit_log (act, id);
create index audit_log_at on audit_log (at);

create trigger audit_log_no_update before update on audit_log
    begin select raise(abort, 'the audit log is append-only'); end;
-- 30 days is the shortest retention that can be set.
create trigger audit_log_no_delete_while_young before delete on audit_log
    when old.at > (unixepoch('now') - 30 * 86400) * 1000000
    begin select raise(abort, 'the audit log is append-only'); end;

-- A suspended user cannot log in.
alter table users add column status text not null default 'active' check (status in ('active', 'suspended'));

-- The number as it is looked up: without what people put between digits, and with 0 for +62.
alter table users add column phone_key text;
update users set phone_key = replace(replace(replace(replace(replace(phone, ' ', ''), '-', ''), '.', ''), '(', ''), ')', '')
    where deleted_at is null;
update users set phone_key = '0' || substr(phone_key, 4) where phone_key like '+62%';

-- For searches by how something begins, byte by byte.
create index users_phone on users (phone_key);
create index users_name on users (lower(name));
create index users_email on users (email_key);
