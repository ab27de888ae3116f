-- What verify and the rolling check of serve found, for status, which is
-- another process.

-- +goose Up

-- Tables of which rows differ from their metadata, because they were written
-- past the capture: how many, and when they were found (Unix milliseconds). A
-- table without such rows is not here.
CREATE TABLE sqlsync_differing (
  table_id INTEGER NOT NULL PRIMARY KEY,
  rows INTEGER NOT NULL,
  found INTEGER NOT NULL
);
