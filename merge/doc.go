// Package merge holds the rules that decide which write stands.
//
// It is pure: no file, clock, socket, goroutine or random number. A caller
// keeps one [Row] per replicated row, hands [Merge] a [Write] made elsewhere,
// and gets back an [Outcome] that says what to store, what to change in the
// user's table and what lost.
//
// Versions are pairs of a hybrid logical clock timestamp [HLC] and the node
// that made them; they are totally ordered, so every node that has the same
// writes keeps the same ones, whatever the order in which they arrived.
package merge
