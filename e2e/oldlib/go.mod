module sqlsync/e2e/oldlib

go 1.26.0

require github.com/mattn/go-sqlite3 v1.0.0
