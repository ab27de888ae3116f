-- Peers that are known and not let in.

-- +goose Up

-- A disabled remote is refused and not dialed. What it has confirmed is kept.
ALTER TABLE sqlsync_remote ADD COLUMN disabled INTEGER;

-- Keys of remotes that were removed in an emergency. No ticket lets them in, and
-- nobody adds them by mistake. `at` is in Unix milliseconds.
CREATE TABLE sqlsync_banned (
  key BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  at INTEGER NOT NULL
);
