-- Hooks: commands and addresses that are given every change.

-- +goose Up

-- `command` or `url` is where changes go. `dataset` and `tab` (a table) say which,
-- NULL is all. `timeout` is of one call, in milliseconds. `signature` is the
-- node's of all of that and of `nonce`: whoever can write to this database must
-- not thereby have serve run commands. `error` and `since` (Unix milliseconds)
-- are of the last call, NULL when it went well.
CREATE TABLE sqlsync_hook (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  command TEXT,
  url TEXT,
  dataset TEXT,
  tab TEXT,
  timeout INTEGER NOT NULL,
  nonce BLOB NOT NULL,
  signature BLOB NOT NULL,
  error TEXT,
  since INTEGER
);

-- The place of the last batch that a hook has taken.
CREATE TABLE sqlsync_hook_cursor (
  hook_id INTEGER NOT NULL,
  dataset_id INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (hook_id, dataset_id)
) WITHOUT ROWID;
