-- Columns that peers had and that nothing waits for any more.

-- +goose Up

-- `gone` is 1 once batches with values for a column that is not here were pruned,
-- or a snapshot stood for them: when the column comes, the table is had whole from
-- a peer's snapshot. `pos` is 0 then while no held batch is known to have more.
ALTER TABLE sqlsync_lack ADD COLUMN gone INTEGER;

-- How a peer last said that it has a table: the digest of its columns.
CREATE TABLE sqlsync_shape (
  table_id INTEGER NOT NULL,
  node BLOB NOT NULL,
  shape TEXT NOT NULL,
  PRIMARY KEY (table_id, node)
) WITHOUT ROWID;
