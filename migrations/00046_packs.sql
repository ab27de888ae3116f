-- Packs.

-- +goose Up

-- Metadata of rows that are as they were born is kept in packs: one record of
-- sqlsync_meta_<table> for many rows, with the key of the first of them and
-- `state` 3. Its `version` is the key of the last, `cells` the layout and
-- `hashes` those of all rows. No other record is within its range of keys.
-- Only tables with an INTEGER PRIMARY KEY have them. Records that were there
-- are packed when the dataset is pruned; `folded` is the key that this has come
-- to, NULL before it began.
ALTER TABLE sqlsync_table ADD COLUMN folded INTEGER;
