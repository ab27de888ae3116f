-- Columns that were renamed.

-- +goose Up

-- What a column was called, here or on a peer, whose batches call it so: `slot`
-- is the column's.
CREATE TABLE sqlsync_renamed (
  table_id INTEGER NOT NULL,
  was TEXT NOT NULL COLLATE NOCASE,
  slot INTEGER NOT NULL,
  PRIMARY KEY (table_id, was)
) WITHOUT ROWID;
