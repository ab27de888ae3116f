-- What is known of peers' datasets; and of deleted rows that others had changed.

-- +goose Up

-- Tables of a dataset that a peer has moved to another, `moved_to`, by its own
-- word. That need not be a dataset here. Where this node has not moved them,
-- status says so.
CREATE TABLE sqlsync_elsewhere (
  node BLOB NOT NULL,
  dataset_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  moved_to TEXT NOT NULL,
  PRIMARY KEY (node, dataset_id, name)
) WITHOUT ROWID;

-- How the datasets of a remote stood when serve last knew: JSON, from a name to
-- its state and what is wrong. NULL is unknown.
ALTER TABLE sqlsync_remote ADD COLUMN streams TEXT;

-- Of an update that lost to a delete, `loser` is what it set, on every node. Where
-- the row was there still, `whole` is all of it, to be put back.
ALTER TABLE sqlsync_conflict ADD COLUMN whole BLOB;

-- Where a remote can be reached by its own word: what it has signed, which is
-- passed on; the addresses of it that are tried after `addrs` (a JSON array);
-- when it said so (Unix milliseconds); and the node that told.
ALTER TABLE sqlsync_remote ADD COLUMN learned BLOB;
ALTER TABLE sqlsync_remote ADD COLUMN learned_addrs TEXT;
ALTER TABLE sqlsync_remote ADD COLUMN learned_said INTEGER;
ALTER TABLE sqlsync_remote ADD COLUMN learned_from BLOB;
