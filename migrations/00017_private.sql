-- Datasets that only members read.

-- +goose Up

-- `private` is 1 where batches are encrypted with a key that is not in the
-- database. A node that has not got it holds them and passes them on.
ALTER TABLE sqlsync_dataset ADD COLUMN private INTEGER;
