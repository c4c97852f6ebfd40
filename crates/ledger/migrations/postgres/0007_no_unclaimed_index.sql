-- Step 5 made this index for a kind of posting that there is not: its code is another kind's.
drop index postings_unclaimed;
