-- Rowids that applications give.

-- +goose Up

-- `rowids` is 1 once an application was seen to give rowids in a table whose key
-- is another: from then on its triggers look for the rows that REPLACE removes
-- by them, and name the table for that.
ALTER TABLE sqlsync_table ADD COLUMN rowids INTEGER;
