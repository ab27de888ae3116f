-- How datasets share the one writer that a database has, and how tables move
-- between them.

-- +goose Up

-- `priority` says whose transaction goes first, the higher number; NULL is the
-- default, which is higher for primary. `rate` is how many changes are sealed,
-- and how many are applied, per second at most, `pause` (milliseconds) how long
-- it is at least from one seal to the next; NULL and 0 are no bound.
ALTER TABLE sqlsync_dataset ADD COLUMN priority INTEGER;
ALTER TABLE sqlsync_dataset ADD COLUMN rate INTEGER;
ALTER TABLE sqlsync_dataset ADD COLUMN pause INTEGER;

-- Datasets that a table was in before the present one, and from which its
-- changes are merged as well: nodes that have not moved it write there. `at` is
-- the clock when it was moved. `replay_from` is as in sqlsync_table, for this
-- dataset's batches. `orphan` is the place of the first batch with a change to a
-- row that has not come, since datasets do not wait for each other; `orphan_now`
-- is that in the table's present dataset.
CREATE TABLE sqlsync_moved (
  table_id INTEGER NOT NULL,
  dataset_id INTEGER NOT NULL,
  at INTEGER NOT NULL,
  replay_from INTEGER,
  orphan INTEGER,
  orphan_now INTEGER,
  PRIMARY KEY (table_id, dataset_id)
) WITHOUT ROWID;
