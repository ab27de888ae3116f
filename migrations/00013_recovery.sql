-- A file that is an older copy of itself, or a copy, and chains with two ends.

-- +goose Up

-- Who the batches of this file are of. `salt` is NULL where that is the node's
-- own key. A file that was put back, or copied, goes on as another author, whose
-- key is derived from the node's secret and this salt: what it seals then never
-- has a number that was given before. `renewed` is when (Unix milliseconds) and
-- `why` for what reason.
ALTER TABLE sqlsync_node ADD COLUMN salt BLOB;
ALTER TABLE sqlsync_node ADD COLUMN renewed INTEGER;
ALTER TABLE sqlsync_node ADD COLUMN why TEXT;

-- `mine` says that an origin is a key under which this node has written before.
ALTER TABLE sqlsync_origin ADD COLUMN mine INTEGER;

-- `witness` is the word that FILE-sqlsync.witness must have, NULL before there
-- was such a file. A database that was put back does not agree with it.
ALTER TABLE sqlsync_node ADD COLUMN witness BLOB;

-- Forks: chains of which there are two different batches with one number, both
-- signed by their origin, because its file was copied with its key. `seq` is the
-- first number known to differ, `peer` who was found to have the other batch,
-- `noted` when (Unix milliseconds), `merged` when the rows of the other end were
-- merged from a peer's snapshot, NULL while they are not.
CREATE TABLE sqlsync_fork (
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  peer BLOB NOT NULL,
  noted INTEGER NOT NULL,
  merged INTEGER,
  PRIMARY KEY (dataset_id, origin_id)
) WITHOUT ROWID;
