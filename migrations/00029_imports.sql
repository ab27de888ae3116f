-- Snapshot files that are on their way in.

-- +goose Up

-- The file, by its path, of a snapshot that is imported: `peer` is its checksum
-- then. NULL where a peer gives it.
ALTER TABLE sqlsync_snapshot ADD COLUMN file TEXT;
