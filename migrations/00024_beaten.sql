-- What a write that was lost has lost to.

-- +goose Up

-- `beaten` names the writes to the row that are later than the one that was lost
-- and were made without having seen it, but for the one that stands: of each
-- author the first, as pairs of the author's number in sqlsync_origin and the
-- timestamp. NULL for none.
ALTER TABLE sqlsync_conflict ADD COLUMN beaten BLOB;
