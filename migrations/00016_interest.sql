-- What is asked of peers, and what they left out of batches because it was not.

-- +goose Up

-- `interest` is what peers are asked for: a JSON array of lower-case names of
-- tables, NULL for all.
ALTER TABLE sqlsync_dataset ADD COLUMN interest TEXT;

-- Sections that are not in a held batch, by table, in lower case. `wanted` is 1
-- if the table has come to be asked for since: until the section is here, peers
-- are told of the chain up to the batch before it only. It is NULL for what is
-- not to be had: the batch was pruned when the table was not watched here, or a
-- snapshot stands for it. `name` is '' where it is not known which tables were in
-- the batches.
CREATE TABLE sqlsync_left (
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  wanted INTEGER,
  PRIMARY KEY (dataset_id, origin_id, seq, name)
) WITHOUT ROWID;
CREATE INDEX sqlsync_left_wanted ON sqlsync_left (dataset_id, origin_id, seq) WHERE wanted;
INSERT INTO sqlsync_left (dataset_id, origin_id, seq, name, wanted)
  SELECT dataset_id, origin_id, 0, '', NULL FROM sqlsync_checkpoint;

-- The tables that a snapshot on its way here has told whole, a JSON array of
-- lower-case names.
ALTER TABLE sqlsync_snapshot ADD COLUMN told TEXT;
