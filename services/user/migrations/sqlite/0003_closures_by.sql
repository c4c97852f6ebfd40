-- Who asked for the deletion: the ledger is told the same on each attempt. Null where the release before noted it, which did not know.
alter table closures add column asked_by integer;
