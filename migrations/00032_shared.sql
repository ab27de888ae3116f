-- What others have of this file's own chains.

-- +goose Up

-- Up to `hlc` a chain of this file's own is what others have of it, although none
-- of the watermarks may say so: the file was recognised as a copy before it went
-- on with the chain, so that it began as the original's does; or what follows was
-- had from a peer, and named what was here. What is behind that, and was
-- confirmed by nobody, may be here alone.
CREATE TABLE sqlsync_shared (
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  hlc INTEGER NOT NULL,
  PRIMARY KEY (dataset_id, origin_id)
) WITHOUT ROWID;
