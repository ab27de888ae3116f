-- sqlsync's own tables in the user's database. Whatever library the application
-- brings must be able to open this file, so every statement here keeps to what
-- SQLite 3.8.5 (2014) parses: no UPSERT, STRICT, RETURNING, generated columns,
-- expression indexes or AUTOINCREMENT (which would leave a sqlite_sequence
-- table behind that cannot be dropped).
--
-- Beside these there are, made as datasets and tables come and go:
--   sqlsync_oplog_<dataset>  the marks of one dataset (written by triggers)
--   sqlsync_oplog            a view over all of them, with dataset and table
--   sqlsync_meta_<table>     birth, version, cells and hashes of a table's rows,
--                            of many in one record where that goes, see 38

-- +goose Up

-- The node that this file is. `key` is its public key; a file whose key is not
-- that of the key file beside it was copied or restored. `hlc` is the greatest
-- timestamp issued or observed. `generation` rises with every change of the
-- configuration below, so that other processes notice.
CREATE TABLE sqlsync_node (
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL,
  hlc INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  created TEXT NOT NULL
);

-- Nodes are named by 32-byte keys and mentioned in every row's metadata, so
-- they get small numbers here. 1 is this node.
CREATE TABLE sqlsync_origin (
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE
);

-- Datasets: independent streams. `pos` is the last place given in the order in
-- which batches came to be held. `batch_rows` bounds the changes of one seal.
-- `key_width` is the number of key columns its oplog has.
CREATE TABLE sqlsync_dataset (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  enabled INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  batch_rows INTEGER NOT NULL,
  key_width INTEGER NOT NULL
);

-- Watched tables. `key` lists the key's column names as a JSON array. `waiting`
-- says why changes from peers are held back (NULL when they are not), and
-- `replay_from` is the place of the first batch whose changes to the table have
-- not been applied. `watched` is 0 after unwatch: the row and the slots stay, so
-- that watching again can tell what happened meanwhile from what is new.
CREATE TABLE sqlsync_table (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  dataset_id INTEGER NOT NULL,
  policy TEXT NOT NULL,
  key TEXT NOT NULL,
  watched INTEGER NOT NULL,
  waiting TEXT,
  replay_from INTEGER
);

-- Every column of a watched table has a slot: its number in cell versions and
-- its place among the hashes. A slot is never given to another column.
CREATE TABLE sqlsync_column (
  table_id INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  PRIMARY KEY (table_id, slot)
) WITHOUT ROWID;

-- Batches held, own and others', in the order in which they came (`pos`).
CREATE TABLE sqlsync_batch (
  dataset_id INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (dataset_id, pos)
);
CREATE UNIQUE INDEX sqlsync_batch_chain ON sqlsync_batch (dataset_id, origin_id, seq);

-- The version vector: how far each chain was applied, and the hash its next
-- batch must name.
CREATE TABLE sqlsync_vector (
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hlc INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (dataset_id, origin_id)
) WITHOUT ROWID;

-- Peers. `addrs` and `datasets` are JSON arrays; `datasets` NULL means all.
-- `state`, `error` and `synced` (Unix milliseconds) are what a running serve
-- last knew, for status.
CREATE TABLE sqlsync_remote (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  key BLOB NOT NULL UNIQUE,
  addrs TEXT NOT NULL,
  datasets TEXT,
  pull INTEGER NOT NULL,
  push INTEGER NOT NULL,
  added TEXT NOT NULL,
  state TEXT,
  error TEXT,
  synced INTEGER
);

-- Watermarks: what each peer has confirmed as durably applied.
CREATE TABLE sqlsync_watermark (
  remote_id INTEGER NOT NULL,
  dataset_id INTEGER NOT NULL,
  origin_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (remote_id, dataset_id, origin_id)
) WITHOUT ROWID;

-- Conflicts: what lost, to what, by which rule. The images are rows in the
-- value encoding of batches, names and values in turn. `id` is the same on
-- every node that holds both versions.
CREATE TABLE sqlsync_conflict (
  id TEXT NOT NULL PRIMARY KEY,
  table_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key BLOB NOT NULL,
  winner BLOB NOT NULL,
  loser BLOB NOT NULL,
  winner_hlc INTEGER NOT NULL,
  winner_origin INTEGER NOT NULL,
  loser_hlc INTEGER NOT NULL,
  loser_origin INTEGER NOT NULL
);

-- Rows that stand by the rules of merging but cannot be in the user's table:
-- another row holds a unique value of theirs, or a constraint or trigger of the
-- application refuses them. Their metadata says so too (dead = 2). They come
-- back by themselves when what is in their way goes.
CREATE TABLE sqlsync_held (
  table_id INTEGER NOT NULL,
  key BLOB NOT NULL,
  image BLOB NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (table_id, key)
) WITHOUT ROWID;
