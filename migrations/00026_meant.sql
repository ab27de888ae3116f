-- Since when a row that lost its key refers to what it refers to.

-- +goose Up

-- `meant` is kept of rows of this node's, as a row: the timestamp at which the
-- row was born anew under another key, 0 while it is not; then of each column
-- that refers to other rows its name and the timestamp since when it refers to
-- what it does, those left out that have changed with the key. What was in the
-- table here at that time is what is meant.
ALTER TABLE sqlsync_conflict ADD COLUMN meant BLOB;
