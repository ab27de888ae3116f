package replicatetest

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"sqlsync/wire"
)

// Options say what a world is made of.
type Options struct {
	// Rand decides everything.
	Rand *rand.Rand
	// Now is the world's clock.
	Now   func() time.Time
	Nodes int
	// Tables is Tables if nil, in some worlds with bins, slots and vetoed.
	Tables []Table
	// Gradual nodes watch some tables at first, and know nobody; the rest is
	// WatchMore's and Meet's.
	Gradual bool
	// Prunes says that Prune will be called, Moves that Move will: some tables of
	// a gradual world begin in another dataset then.
	Prunes, Moves bool
	// PutsBack says that PutBack will be called. Files have witnesses then, and
	// every one that is opened anew is taken for a copy, as it is one.
	PutsBack bool
}

// World is some databases, and what is known of them from outside.
type World struct {
	Nodes []*Node

	tb     testing.TB
	rand   *rand.Rand
	tables []Table
	dir    string
	wal    bool
	trace  hash.Hash64
	// Counts say what happened.
	Counts Counts
	// batches are all that were ever held, by chain and number; pruned says
	// that some were dropped.
	batches map[string]*wire.Sealed
	pruned  bool
	gradual bool
	// baselines says that nodes began with rows.
	baselines bool
	// repolicied says that a policy was changed: what comes of writes then depends
	// on who had them when.
	repolicied bool
	policies   map[string]int // that were given, by their text in a file
	moves      bool
	putBack    bool
	// damaged says that a batch is not what it was, forked that nodes may give a
	// number twice.
	damaged, forked bool
}

// Counts are of one world.
type Counts struct{ Statements, Refused, Seals, Applies, Reconciles, Crashes, Losses, Settled, Evens int }

// New makes the databases: empty, as copies of one file with rows, or each
// with rows of its own, as the random source decides.
func New(tb testing.TB, o Options) *World {
	tb.Helper()
	fakeJulianday()
	hookWriters()
	if o.Tables == nil {
		if o.Tables = Tables; o.Rand.IntN(3) == 0 {
			o.Tables = append(slices.Clone(Tables), bins)
		}
		if o.Rand.IntN(2) == 0 {
			o.Tables = append(slices.Clone(o.Tables), slots, vetoed)
		}
	}
	w := &World{batches: make(map[string]*wire.Sealed), tb: tb, rand: o.Rand, tables: o.Tables, gradual: o.Gradual, moves: o.Moves, putBack: o.PutsBack, wal: o.Rand.IntN(2) == 0, trace: fnv.New64a()}
	var err error
	if w.dir, err = os.MkdirTemp(memoryDir(), "sqlsync-sim"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.close)
	begin := o.Rand.IntN(3)
	if o.Gradual && (o.Prunes || o.Moves) { // a deleted row of a copy is watched as one that is there
		begin = empty
	}
	w.baselines = begin != empty
	for i := range o.Nodes {
		n := w.newNode(i, o.Now)
		n.create(begin)
		w.Nodes = append(w.Nodes, n)
	}
	return w
}

// memoryDir is where files cost no disk, or where temporary ones are.
func memoryDir() string {
	const shm = "/dev/shm"
	if fi, err := os.Stat(shm); err == nil && fi.IsDir() {
		return shm
	}
	return ""
}

func (w *World) close() {
	for _, n := range w.Nodes {
		if err := n.close(); err != nil {
			w.tb.Error(err)
		}
	}
	os.RemoveAll(w.dir)
	wall = time.Time{}
	clear(writers)
}

// Note adds a line to what Trace is the hash of.
func (w *World) Note(format string, args ...any) { fmt.Fprintf(w.trace, format+"\n", args...) }

// Forked reports whether a number may have been given twice.
func (w *World) Forked() bool { return w.forked }

// Trace is the hash of everything that has happened. Two runs of a seed that
// differ have a source of chance that is not the seed.
func (w *World) Trace() uint64 { return w.trace.Sum64() }

// table returns a table by name, nil if there is none.
func (w *World) table(name string) *Table {
	for i := range w.tables {
		if w.tables[i].Name == name {
			return &w.tables[i]
		}
	}
	return nil
}

// names lists the tables.
func (w *World) names() (all []string) {
	for i := range w.tables {
		all = append(all, w.tables[i].Name)
	}
	return all
}

// background has no Done, so that the driver starts no goroutine for it.
var background = context.Background()

// Add adds another world's counts.
func (c *Counts) Add(o Counts) {
	c.Statements += o.Statements
	c.Refused += o.Refused
	c.Seals += o.Seals
	c.Applies += o.Applies
	c.Reconciles += o.Reconciles
	c.Crashes += o.Crashes
	c.Losses += o.Losses
	c.Settled += o.Settled
	c.Evens += o.Evens
}
