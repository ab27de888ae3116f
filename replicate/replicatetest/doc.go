// Package replicatetest gives a simulation databases to replicate: real SQLite
// files, each with its store, an application that writes, and a clock that is
// wrong. A [World] has some [Node]; a node is a replicate store that may be
// crashed, also in the middle of a call, or put back to an older copy.
// [World.Check] says whether all that happened came out right, by a model that
// shares nothing with packages merge and cdc.
//
// Everything follows from the random source a world is given. There is no
// goroutine, timer or real clock here; sessions and network belong to the test
// in package replicate that drives a world. One world is used at a time: the
// clock of capture's triggers is one for the process.
package replicatetest
