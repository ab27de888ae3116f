// Package sqlsync makes an existing SQLite file multi-master.
//
// The command is in cmd/sqlsync; a program that embeds it uses package replicate/mesh, see
// docs/embedding.md. ARCHITECTURE.md follows one row from an application's write
// to a peer's table and says which package does what.
package sqlsync
