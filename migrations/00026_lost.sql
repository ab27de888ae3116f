-- More about what was lost.

-- +goose Up

-- `meant` is kept of rows of this node's, as a row: the timestamp at which the
-- row was born anew under another key, 0 while it is not; then of each column
-- that refers to other rows its name and the timestamp since when it refers to
-- what it does, those left out that have changed with the key. What was in the
-- table here at that time is what is meant.
ALTER TABLE sqlsync_conflict ADD COLUMN meant BLOB;

-- The birth of the row that the lost write was made to: whoever has seen a row
-- with a higher one had lost the write, too. NULL where it is not known.
ALTER TABLE sqlsync_conflict ADD COLUMN born_hlc INTEGER;
ALTER TABLE sqlsync_conflict ADD COLUMN born_origin INTEGER;
