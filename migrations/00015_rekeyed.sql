-- Rows that lost their key and were given another.

-- +goose Up

-- `rekeyed` is the key under which the row that was listed as lost stands now,
-- NULL for one that was not inserted anew.
ALTER TABLE sqlsync_conflict ADD COLUMN rekeyed BLOB;

-- `shown` is the timestamp up to which the row that was listed as lost was in
-- the table here, NULL if it never was: what was written here until then and
-- refers to its key means that row. `referred` is that key where it is another:
-- the row had been rekeyed, and lost the next key as well.
ALTER TABLE sqlsync_conflict ADD COLUMN shown INTEGER;
ALTER TABLE sqlsync_conflict ADD COLUMN referred BLOB;
