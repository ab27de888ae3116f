-- What came into a dataset with a table that was moved there.

-- +goose Up

-- What nodes say is in their tables, whether or not it is in batches of the
-- table's dataset: all rows that `author` had there at `hlc`, by its own clock.
-- `holder` is the node that says so, empty for this one; one zero byte is what this
-- one has begun to take, so that some of it may be here. A row of a peer whose
-- `author` is empty says that the peer was heard since there were arrivals here,
-- with 2 for `hlc` if it has the table in the dataset and 1 if not.
CREATE TABLE sqlsync_arrival (
  table_id INTEGER NOT NULL,
  holder BLOB NOT NULL,
  author BLOB NOT NULL,
  hlc INTEGER NOT NULL,
  PRIMARY KEY (table_id, holder, author)
) WITHOUT ROWID;
INSERT INTO sqlsync_arrival (table_id, holder, author, hlc)
  SELECT m.table_id, x'', n.key, max(m.at) FROM sqlsync_moved AS m JOIN sqlsync_node AS n GROUP BY m.table_id;

-- The arrivals that a snapshot on its way here tells: JSON, by the number of a
-- table. NULL is none.
ALTER TABLE sqlsync_snapshot ADD COLUMN arrivals TEXT;

-- `came` is 1 where something was merged from the former dataset that is not told
-- as an arrival yet.
ALTER TABLE sqlsync_moved ADD COLUMN came INTEGER;
