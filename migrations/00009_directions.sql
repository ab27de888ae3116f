-- +goose Up

-- What is exchanged of single datasets where that is not what `pull` and `push`
-- say: a JSON object, by dataset, of "pull", "push" and "both"; NULL for none.
ALTER TABLE sqlsync_remote ADD COLUMN directions TEXT;
