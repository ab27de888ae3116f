-- Tables whose policy was changed.

-- +goose Up

-- `uneven` counts how often the policy of a table was changed here, or a change
-- came that was made by another one and that this one merges by the order in
-- which changes come: what stands may then be another value than on a peer that
-- has the same changes. NULL is never. `uneven_at` are the ends of the dataset's
-- chains at the last time, as JSON.
ALTER TABLE sqlsync_table ADD COLUMN uneven INTEGER;
ALTER TABLE sqlsync_table ADD COLUMN uneven_at BLOB;

-- With which nodes a table was compared since, and what differed was stated
-- again: `at` is `uneven` as it was then.
CREATE TABLE sqlsync_even (
  table_id INTEGER NOT NULL,
  node BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (table_id, node)
) WITHOUT ROWID;

-- Rows that this node has stated again, by the timestamps of their births, from
-- `first` to `last`. Such a row that loses its key to another is the same row.
CREATE TABLE sqlsync_restated (
  table_id INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (table_id, first)
) WITHOUT ROWID;
