-- How tables are merged beyond a policy of the whole row, and what keeps a
-- table from being merged for now.

-- +goose Up

-- `options` is a JSON object of what `watch` was told beside the policy:
-- policies of columns, and who gives out ids. NULL is nothing.
ALTER TABLE sqlsync_table ADD COLUMN options TEXT;

-- Columns that changes from peers had values for and that the table does not
-- have yet. `pos` is the place of the first such batch: when the column comes
-- (`landing` is then 1), the table's changes are merged again from there. What
-- is before `fresh_from` was merged already but for those columns.
ALTER TABLE sqlsync_table ADD COLUMN fresh_from INTEGER;
CREATE TABLE sqlsync_lack (
  table_id INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  pos INTEGER NOT NULL,
  landing INTEGER,
  PRIMARY KEY (table_id, name)
) WITHOUT ROWID;

-- Tables that another node has in another way. Each waits, alone, until the
-- two have it the same. `kind` is 'watch' where a peer said so when it
-- connected (another policy or key) and 'key' where a batch did. `own` is how
-- the table was watched here at the time: once that is no longer so, the row
-- means nothing.
CREATE TABLE sqlsync_disagreement (
  table_id INTEGER NOT NULL,
  node BLOB NOT NULL,
  kind TEXT NOT NULL,
  own TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (table_id, node, kind)
) WITHOUT ROWID;

-- Tables that a peer offers and that are not watched here, for status.
CREATE TABLE sqlsync_absent (
  node BLOB NOT NULL,
  dataset_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (node, dataset_id, name)
) WITHOUT ROWID;

-- `follows` says that tables and columns which peers have and this database has
-- not are made here.
ALTER TABLE sqlsync_dataset ADD COLUMN follows INTEGER NOT NULL DEFAULT 0;

-- Rows in the tables that break a foreign key or a CHECK of the schema, because
-- what was merged was whole where it was written and is not here. They are
-- looked at again whenever one of the tables concerned has changed.
CREATE TABLE sqlsync_violation (
  table_id INTEGER NOT NULL,
  key BLOB NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (table_id, key, kind, name)
) WITHOUT ROWID;

-- What is listed of a row is looked at again when a write to it comes.
CREATE INDEX sqlsync_conflict_row ON sqlsync_conflict (table_id, key);

-- Conflicts that somebody has settled stay, so that they do not come again, but
-- are no longer listed. `noted` is when this node listed it, in Unix
-- milliseconds, for retention.
ALTER TABLE sqlsync_conflict ADD COLUMN dismissed INTEGER;
ALTER TABLE sqlsync_conflict ADD COLUMN noted INTEGER;
