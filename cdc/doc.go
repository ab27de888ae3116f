// Package cdc is one SQLite file as a store of replicated rows.
//
// [Open] returns a [Store]. [Store.Watch] installs the triggers that mark what
// an application touches; sealing turns marks into batches; applying merges
// the batches of other nodes into the user's tables. A [Stream] is one dataset
// of a store, as package replicate drives it.
//
// All writing goes through one connection and one kind of transaction, see
// [Store] and tx; it is short, waits for the application without ever making
// it wait for longer than one transaction, and leaves every setting of the
// user's file as it was.
package cdc
