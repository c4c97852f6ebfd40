-- Where the process listens that moved the head last: others pass their orders on to it. Empty where it does not say.
alter table ledger_head add column writer text not null default '';
