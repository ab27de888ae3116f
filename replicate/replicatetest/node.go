package replicatetest

import (
	"context"
	"crypto/sha512"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// Node is one database: a store as package replicate wants it, and the
// application beside it.
type Node struct {
	*cdc.Stream
	w     *World
	clock clock
	id    merge.NodeID
	index int
	path  string
	files int // made so far, for their names
	// watches are the tables that are watched, knows the nodes that are remotes.
	watches map[string]bool
	knows   map[int]bool
	// away are the tables that are in another dataset now, which has no peers.
	away map[string]bool
	// authors are whom the file was sealed as after it was put back, by salt.
	authors map[string]merge.NodeID
	backup  string
	uneven  int // see BecameUneven
	// keys counts those that it has lost; unattested says that it has no witness.
	keys       int
	unattested bool

	store *cdc.Store
	pool  *sql.DB
	app   *sql.Conn
	stmts map[string]*sql.Stmt
	draw  Draw

	fuse    bool // the next look at key or clock is the end
	copied  string
	quietTo time.Time
	// settled are the writes that somebody took off the list of conflicts.
	settled map[stamp]bool
	capture
}

// ErrCrashed is what the call returns in which a node crashed. The node is to
// be restarted.
var ErrCrashed = errors.New("node crashed")

// crash is the panic by which a store's call ends half way.
type crash struct{}

func (w *World) newNode(i int, now func() time.Time) *Node {
	n := &Node{w: w, index: i, clock: clock{world: now}, capture: newCapture(), watches: make(map[string]bool), away: make(map[string]bool), authors: make(map[string]merge.NodeID), knows: make(map[int]bool), settled: make(map[stamp]bool)}
	n.id = merge.NodeID{byte(i + 1)}
	n.draw = Draw{Rand: w.rand, name: fmt.Sprintf("n%d", i)}
	return n
}

// newPath names the file that the node will be.
func (n *Node) newPath() string {
	n.files++
	return filepath.Join(n.w.dir, fmt.Sprintf("%d-%d.db", n.index, n.files))
}

// open opens the file as a store and as an application does.
func (n *Node) open() {
	n.enter()
	n.fuse = false
	app, err := sql.Open("sqlite", cdc.AppDSN(n.path)+"&_pragma=foreign_keys(1)&_pragma=synchronous(0)&_pragma=recursive_triggers("+strconv.Itoa(n.index%2)+")")
	if err == nil {
		n.pool, n.stmts = app, make(map[string]*sql.Stmt)
		n.app, err = app.Conn(background)
	}
	if err == nil {
		o := cdc.Options{
			Path: n.path, Node: n.id, Sign: n.sign, Verify: n.verify, Now: n.now, LockWait: time.Second,
			MaxDrift: 10 * 365 * 24 * time.Hour, // clocks are set at will
		}
		if n.w.putBack {
			o.Author = n.authorOf
			if !n.unattested {
				o.Witness = n.witness()
			}
		}
		n.store, err = cdc.Open(background, o)
	}
	if err != nil {
		n.w.tb.Fatalf("node %d: %v", n.index, err)
	}
	n.Stream = n.store.Stream(cdc.DefaultDataset)
}

func (n *Node) close() error {
	if n.app == nil {
		return nil
	}
	for _, st := range n.stmts {
		st.Close()
	}
	err := errors.Join(n.app.Close(), n.pool.Close(), n.store.Close())
	n.app = nil
	return err
}

// The signature is no signature: what is simulated needs one that costs
// nothing and differs where it should.
func signature(id merge.NodeID, h wire.Hash) []byte {
	sum := sha512.Sum512(append(id[:], h[:]...))
	return sum[:]
}

func (n *Node) sign(h wire.Hash) []byte {
	n.burn()
	return signature(n.id, h)
}

func (n *Node) verify(origin merge.NodeID, h wire.Hash, sig []byte) bool {
	return string(sig) == string(signature(origin, h))
}

func (n *Node) now() time.Time { return n.clock.now() }

func (n *Node) burn() {
	if n.fuse {
		panic(crash{})
	}
}

// enter makes the clock in SQL this node's.
func (n *Node) enter() { wall = n.clock.now() }

// Break makes the node crash in the middle of its next seal.
func (n *Node) Break() { n.fuse = true }

// guarded runs a call of the store that may crash.
func (n *Node) guarded(call func() error) (err error) {
	n.enter()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case crash:
			err = ErrCrashed
		default:
			panic(p)
		}
	}()
	return call()
}

// Apply is Stream's.
func (n *Node) Apply(ctx context.Context, from merge.NodeID, batches []*wire.Sealed) (v merge.Vector, err error) {
	n.w.Counts.Applies++
	return n.watched(sectionsOf(batches), func() (merge.Vector, error) { return n.Stream.Apply(background, from, batches) })
}

// Seal is Stream's.
func (n *Node) Seal(context.Context) (v merge.Vector, err error) {
	n.w.Counts.Seals++
	return n.watched(nil, func() (merge.Vector, error) { return n.Stream.Seal(background) })
}

// Snapshot is Stream's.
func (n *Node) Snapshot(_ context.Context, req *wire.SnapshotRequest, wants []string) (part *wire.SnapshotPart, err error) {
	_, err = n.watched(nil, func() (_ merge.Vector, err error) {
		part, err = n.Stream.Snapshot(background, req, wants)
		return nil, err
	})
	return part, err
}

// TakeSnapshot is Stream's.
func (n *Node) TakeSnapshot(_ context.Context, peer merge.NodeID, part *wire.SnapshotPart) (next *wire.SnapshotRequest, err error) {
	call := n.watched
	if part == nil { // which seals nothing
		call = func(_ []string, f func() (merge.Vector, error)) (merge.Vector, error) { return f() }
	}
	_, err = call(n.w.names(), func() (_ merge.Vector, err error) {
		next, err = n.Stream.TakeSnapshot(background, peer, part)
		return nil, err
	})
	return next, err
}

// Compare is Stream's.
func (n *Node) Compare(_ context.Context, question wire.Message) (answer wire.Message, err error) {
	if _, err := n.Seal(background); err != nil { // not all answers do
		return nil, err
	}
	_, err = n.watched(nil, func() (_ merge.Vector, err error) {
		answer, err = n.Stream.Compare(background, question)
		return nil, err
	})
	return answer, err
}

// Reconcile is Stream's.
func (n *Node) Reconcile(peer merge.NodeID) func(context.Context, wire.Message) (wire.Message, error) {
	step, store := n.Stream.Reconcile(peer), n.store
	return func(_ context.Context, answer wire.Message) (question wire.Message, err error) {
		if n.store != store {
			return nil, ErrCrashed
		}
		n.w.Counts.Reconciles++
		_, err = n.watched(n.w.names(), func() (_ merge.Vector, err error) {
			question, err = step(background, answer)
			return nil, err
		})
		return question, err
	}
}

// Even is Stream's.
func (n *Node) Even(peer merge.NodeID) func(context.Context, wire.Message) (wire.Message, error) {
	step := n.Stream.Even(peer)
	return func(_ context.Context, answer wire.Message) (question wire.Message, err error) {
		n.w.Counts.Evens++
		if _, err := n.Seal(background); err != nil { // not all steps do
			return nil, err
		}
		_, err = n.watched(n.w.names(), func() (_ merge.Vector, err error) {
			question, err = step(background, answer)
			return nil, err
		})
		return question, err
	}
}

// Restart opens the file as a process finds it whose predecessor was killed:
// with whatever journal was there.
func (n *Node) Restart() {
	n.w.Counts.Crashes++
	path := n.newPath()
	n.copyFile(path, n.path)
	n.reopen(path)
	n.look(false)
}

// Copy keeps the file as it is, for LosePower, if nothing is waiting in it to
// be sealed.
func (n *Node) Copy() {
	if n.pending() {
		return
	}
	n.copied = n.newPath()
	n.copyFile(n.copied, n.path)
}

// LosePower puts the node back to the last copy, if there is one. Until Whole
// the application must not write: what becomes of that is in
// docs/operations.md. Nor may its triggers, whose marks are taken for writes, nor
// what says again that a row of a copy is gone.
func (n *Node) LosePower() bool {
	if n.copied == "" || n.w.baselines || slices.ContainsFunc(n.w.tables, func(t Table) bool { return t.Deletes != "" }) {
		return false
	}
	n.w.Counts.Losses++
	path := n.newPath()
	n.copyFile(path, n.copied)
	n.reopen(path)
	n.look(true)
	n.quietTo = n.clock.world().Add(2 * time.Second)
	return true
}

// Whole reports whether the node has what the others have of its own chain,
// now that nothing of it can be under way any more.
func (n *Node) Whole() bool {
	if n.clock.world().Before(n.quietTo) {
		return false
	}
	if n.quietTo.IsZero() {
		return true
	}
	own := n.vector()
	for _, o := range n.w.Nodes {
		if theirs := o.vector(); theirs[n.id].Seq > own[n.id].Seq {
			return false
		}
	}
	n.quietTo = time.Time{}
	return true
}

func (n *Node) reopen(path string) {
	if err := n.close(); err != nil {
		n.w.tb.Errorf("node %d: close: %v", n.index, err)
	}
	for _, tail := range tails {
		os.Remove(n.path + tail)
	}
	n.path = path
	n.open()
}

func (n *Node) vector() merge.Vector {
	v, err := n.Stream.Vector(background)
	if err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return maps.Clone(v)
}

// tails are what a database's files end in.
var tails = []string{"", "-journal", "-wal"}

func (n *Node) copyFile(to, from string) {
	for _, tail := range tails {
		in, err := os.Open(from + tail)
		if err != nil {
			continue
		}
		out, err := os.Create(to + tail)
		if err == nil {
			_, err = io.Copy(out, in)
			err = errors.Join(err, out.Close())
		}
		in.Close()
		if err != nil {
			n.w.tb.Fatal(err)
		}
	}
}
