// Package replicate brings stores to the same state over connections.
//
// A program makes one [Node] per database, tells it the [Remote] peers it knows
// and runs it: the node dials them, keeps one session per (peer, dataset), and
// follows every change of the list at once. Connections that come in are given
// to [Node.Accept] after the caller has authenticated them; [Node.Sync] and
// [Node.Schema] are the one-shot verbs, and need no running node.
//
// What a node replicates is a [Store] per dataset; what it dials with is a
// [Dialer]. Both are interfaces of this package and say what they promise.
//
// Inside, a session is a pure state machine (session.go): events go in, actions
// come out, and clock, network and store belong to the loop around it (conn.go).
// The protocol is this. Both sides send Hello, which carries their vectors. Each
// then streams the batches it holds and the other lacks, in the order in which
// it came to hold them, and says by Ack whatever its own vector has come to hold
// meanwhile, from whomever: an Ack carries the positions that have changed since
// the last one. So each side always knows what the other has, sends nothing
// twice, and needs no memory of the connection before.
package replicate
