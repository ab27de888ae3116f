-- How datasets share the one writer that a database has.

-- +goose Up

-- `priority` says whose transaction goes first, the higher number; NULL is the
-- default, which is higher for primary. `rate` is how many changes are sealed,
-- and how many are applied, per second at most, `pause` (milliseconds) how long
-- it is at least from one seal to the next; NULL and 0 are no bound.
ALTER TABLE sqlsync_dataset ADD COLUMN priority INTEGER;
ALTER TABLE sqlsync_dataset ADD COLUMN rate INTEGER;
ALTER TABLE sqlsync_dataset ADD COLUMN pause INTEGER;
