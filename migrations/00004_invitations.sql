-- Who may come in beside the remotes that were added by key, until when a remote
-- may and under which key, and who tried.

-- +goose Up

-- Invitations. `hash` is SHA-256 of the ticket's secret, which is kept nowhere.
-- `name` is what to call the remote, NULL for the start of its key; `datasets` as
-- in sqlsync_remote. `expires` and `used` are Unix milliseconds; `used` is set,
-- once, by the transaction that adds `node` as a remote.
CREATE TABLE sqlsync_invitation (
  hash BLOB NOT NULL PRIMARY KEY,
  name TEXT,
  datasets TEXT,
  expires INTEGER NOT NULL,
  used INTEGER,
  node BLOB
);

-- Nodes that are no remotes and have proved their key to a running serve. They
-- were refused and got no word. A bounded number is kept, for a week. `seen` is
-- in Unix milliseconds.
CREATE TABLE sqlsync_stranger (
  key BLOB NOT NULL PRIMARY KEY,
  addr TEXT NOT NULL,
  tries INTEGER NOT NULL,
  seen INTEGER NOT NULL
);

-- From this time on, in Unix milliseconds, a remote is refused like a stranger;
-- NULL is never.
ALTER TABLE sqlsync_remote ADD COLUMN expires INTEGER;

-- The key that a remote had before the present one, which it signed.
ALTER TABLE sqlsync_remote ADD COLUMN former BLOB;

-- The addresses on which a running serve listens, a JSON array, for invitations.
ALTER TABLE sqlsync_node ADD COLUMN listening TEXT;
