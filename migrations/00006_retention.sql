-- What is kept, and for how long.

-- +goose Up

-- `last` is the greatest timestamp in a batch, NULL for those held before this
-- column was.
ALTER TABLE sqlsync_batch ADD COLUMN last INTEGER;

-- Checkpoints: up to where a chain was pruned. Batches up to `seq` are not held
-- any more, `hash` is that of the last of them, and tombstones of its origin up
-- to `hlc` may be gone.
CREATE TABLE sqlsync_checkpoint (
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hlc INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (dataset_id, origin_id)
) WITHOUT ROWID;

-- `retention` and `retention_bytes` bound what a dataset keeps, in milliseconds
-- and bytes; NULL is the default, 0 no bound.
ALTER TABLE sqlsync_dataset ADD COLUMN retention INTEGER;
ALTER TABLE sqlsync_dataset ADD COLUMN retention_bytes INTEGER;

-- `max_offline` is for how long, in milliseconds, nothing is pruned that the
-- remote has not confirmed; NULL is the default, 0 for ever. `seen` is when it
-- last confirmed something.
ALTER TABLE sqlsync_remote ADD COLUMN max_offline INTEGER;
ALTER TABLE sqlsync_remote ADD COLUMN seen INTEGER;

-- `needs` says that the table came to be watched after what it would have been
-- told was pruned: it is to be had from a peer's snapshot.
ALTER TABLE sqlsync_table ADD COLUMN needs INTEGER;

-- A snapshot on its way here: from whom, how far it has come (`cursor`, the
-- peer's own words), and the ends of chains that it stands for.
CREATE TABLE sqlsync_snapshot (
  dataset_id INTEGER PRIMARY KEY,
  peer BLOB NOT NULL,
  cursor BLOB NOT NULL,
  heads BLOB NOT NULL
);
