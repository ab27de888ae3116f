-- Rows that lost their key and were given another.

-- +goose Up

-- `rekeyed` is the key under which the row that was listed as lost stands now,
-- NULL for one that was not inserted anew.
ALTER TABLE sqlsync_conflict ADD COLUMN rekeyed BLOB;
