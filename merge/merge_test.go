package merge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// replica is a deliberately simple node: rows of int cells, merged one write at
// a time, with orphans kept until their row comes.
type replica struct {
	id      NodeID
	policy  Policy
	clock   Clock
	row     Row
	cells   map[int]int
	seen    map[NodeID]HLC
	applied map[Version]bool
	orphans []sealedWrite
	lost    map[Version]bool
}

// sealedWrite is a write with its values and what its author had seen.
type sealedWrite struct {
	Write
	values map[int]int
	seen   map[NodeID]HLC
}

const columns = 3

func newReplica(i int, p Policy) *replica {
	return &replica{
		id: NodeID{byte(i + 1)}, policy: p, cells: map[int]int{}, seen: map[NodeID]HLC{},
		applied: map[Version]bool{}, lost: map[Version]bool{},
	}
}

// write makes a write of this replica's own and applies it.
func (r *replica) write(op Op, baseline bool, at HLC, cols []int, value int) (sealedWrite, bool) {
	alive := r.row.Exists() && !r.row.Dead
	if (op == Insert) == alive {
		return sealedWrite{}, false
	}
	v := Version{r.clock.Next(at), r.id}
	w := sealedWrite{Write: Write{Op: op, Version: v, Birth: r.row.Birth, Columns: cols}, values: map[int]int{}, seen: maps.Clone(r.seen)}
	if op == Insert {
		w.Birth = v
		if baseline && !r.row.Exists() {
			w.Birth.HLC = -v.HLC
		}
	}
	if op == Insert || op == Update && r.policy == WholeRow {
		w.Columns = []int{0, 1, 2}
	}
	if op == Delete {
		w.Columns = nil
	}
	for _, c := range w.Columns {
		w.values[c] = value
	}
	r.apply(w)
	return w, true
}

// apply merges a write and then whatever waited for it.
func (r *replica) apply(w sealedWrite) {
	r.clock.Observe(w.Version.HLC)
	r.seen[w.Version.Origin] = max(r.seen[w.Version.Origin], w.Version.HLC)
	if r.merge(w) {
		for again := true; again; {
			again = false
			for i, o := range r.orphans {
				rest := slices.Delete(slices.Clone(r.orphans), i, i+1)
				if r.merge(o) {
					r.orphans, again = rest, true
					break
				}
				r.orphans = r.orphans[:len(r.orphans)-1] // merge has added it again
			}
		}
	}
}

func (r *replica) merge(w sealedWrite) bool {
	out := Merge(r.policy, r.row, w.Write, func(o NodeID) HLC { return w.seen[o] })
	if out.Effect == Orphan {
		r.orphans = append(r.orphans, w)
		return false
	}
	for _, l := range out.Losses {
		r.lost[Version{l.Loser.HLC.Seal(), l.Loser.Origin}] = true
	}
	r.row = out.Row
	switch out.Effect {
	case Replace:
		r.cells = maps.Clone(w.values)
	case Set:
		for _, c := range out.Columns {
			r.cells[c] = w.values[c]
		}
	case Remove:
		r.cells = map[int]int{}
	}
	return true
}

func (r *replica) state() string { return fmt.Sprint(r.row, r.cells) }

// history is what several nodes wrote, each having seen some of the others'.
type history struct {
	policy Policy
	writes []sealedWrite
}

func drawHistory(t *rapid.T) history {
	h := history{policy: rapid.SampledFrom([]Policy{LWW, WholeRow}).Draw(t, "policy")}
	nodes := make([]*replica, rapid.IntRange(2, 4).Draw(t, "nodes"))
	had := make([]int, len(nodes)) // how many of h.writes each has, in order
	for i := range nodes {
		nodes[i] = newReplica(i, h.policy)
	}
	for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
		n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
		for upTo := rapid.IntRange(had[n], len(h.writes)).Draw(t, "sees"); had[n] < upTo; had[n]++ {
			if w := h.writes[had[n]]; w.Version.Origin != nodes[n].id {
				nodes[n].apply(w)
			}
		}
		op := rapid.SampledFrom([]Op{Insert, Update, Update, Delete}).Draw(t, "op")
		cols := rapid.SliceOfNDistinct(rapid.IntRange(0, columns-1), 1, columns, rapid.ID).Draw(t, "columns")
		slices.Sort(cols)
		at := HLC(rapid.IntRange(1, 4).Draw(t, "clock") << counterBits) // clocks that disagree
		if w, ok := nodes[n].write(op, rapid.Bool().Draw(t, "baseline"), at, cols, i); ok {
			h.writes = append(h.writes, w)
		}
	}
	return h
}

// Whatever the order, the grouping and the repetition, the same writes make
// the same row.
func TestMergeConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		states := map[string]bool{}
		for range 3 {
			r := newReplica(9, h.policy)
			order := rapid.Permutation(slices.Concat(h.writes, h.writes[:len(h.writes)/2])).Draw(t, "order")
			for _, w := range order {
				r.apply(w)
			}
			states[r.state()] = true
		}
		if len(states) > 1 {
			t.Fatalf("orders differ: %v", slices.Sorted(maps.Keys(states)))
		}
	})
}

func TestMergeIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		r := newReplica(9, h.policy)
		for _, w := range h.writes {
			r.apply(w)
			was := r.state()
			r.apply(w)
			if r.state() != was {
				t.Fatalf("applied twice: %s, once: %s", r.state(), was)
			}
		}
	})
}

// reference says what stands by reading the rules of the design out loud.
func reference(h history) map[int]int {
	if h.policy == WholeRow {
		return wholeRowReference(h.writes)
	}
	sameRow := func(a, b Version) bool { return a == b || a.HLC < 0 && b.HLC < 0 }
	var birth Version
	for _, w := range h.writes {
		if w.Birth.HLC != 0 && (birth.IsZero() || w.Birth.After(birth)) {
			birth = w.Birth
		}
	}
	cells, version := map[int]int{}, map[int]Version{}
	for _, w := range h.writes {
		if !sameRow(w.Birth, birth) {
			continue
		}
		if w.Op == Delete {
			return map[int]int{}
		}
		rank := w.Version
		if w.Op == Insert {
			rank = w.Birth
		}
		for _, c := range w.Columns {
			if have, ok := version[c]; !ok || rank.After(have) {
				cells[c], version[c] = w.values[c], rank
			}
		}
	}
	return cells
}

func wholeRowReference(writes []sealedWrite) map[int]int {
	if len(writes) == 0 {
		return map[int]int{}
	}
	rank := func(w sealedWrite) Version {
		if w.Op == Insert {
			return w.Birth
		}
		return w.Version
	}
	last := slices.MaxFunc(writes, func(a, b sealedWrite) int { return rank(a).Compare(rank(b)) })
	return last.values
}

func TestMergeIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		r := newReplica(9, h.policy)
		for _, w := range rapid.Permutation(h.writes).Draw(t, "order") {
			r.apply(w)
		}
		if want := reference(h); !maps.Equal(r.cells, want) {
			t.Fatalf("cells are %v, want %v\nwrites: %+v", r.cells, want, h.writes)
		}
	})
}

// A write is reported lost only to one whose author had not seen it; whoever
// sees everything in the order it was written learns of no conflict at all.
func TestNoConflictWithoutConcurrency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]Policy{LWW, WholeRow}).Draw(t, "policy")
		a, b := newReplica(0, p), newReplica(1, p)
		for i := range rapid.IntRange(1, 15).Draw(t, "steps") {
			from, to := a, b
			if rapid.Bool().Draw(t, "b writes") {
				from, to = b, a
			}
			op := rapid.SampledFrom([]Op{Insert, Update, Delete}).Draw(t, "op")
			if w, ok := from.write(op, false, HLC(rapid.IntRange(1, 3).Draw(t, "clock")<<counterBits), []int{i % columns}, i); ok {
				to.apply(w)
			}
		}
		if len(a.lost)+len(b.lost) > 0 {
			t.Fatalf("conflicts without concurrency: %v %v", a.lost, b.lost)
		}
		if a.state() != b.state() {
			t.Fatalf("%s and %s", a.state(), b.state())
		}
	})
}

func TestVersionsAreTotallyOrdered(t *testing.T) {
	if !(Version{1, NodeID{2}}).After(Version{1, NodeID{1}}) { // package cdc chooses authors by it
		t.Error("of two at one time that of the lower key is later")
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Version {
			return Version{HLC(rapid.IntRange(-3, 3).Draw(t, name)), NodeID{byte(rapid.IntRange(0, 2).Draw(t, name+" origin"))}}
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%v and %v are not ordered", a, b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%v, %v, %v: not transitive", a, b, c)
		}
	})
}

func TestClockOnlyRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Clock
		for range 50 {
			was := c.Last
			at := HLC(rapid.Int64Range(0, 1<<50).Draw(t, "at"))
			if rapid.Bool().Draw(t, "observe") {
				if c.Observe(at); c.Last < was {
					t.Fatal("observing went back")
				}
			} else if got := c.Next(at); got <= was || got < at {
				t.Fatalf("issued %d after %d at %d", got, was, at)
			}
		}
	})
}

func TestVectorLaws(t *testing.T) {
	draw := func(t *rapid.T, name string) Vector {
		v := Vector{}
		for i := range 4 {
			if n := rapid.IntRange(0, 3).Draw(t, fmt.Sprint(name, i)); n > 0 {
				v[NodeID{byte(i)}] = Position{Seq: uint64(n), HLC: HLC(n)}
			}
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		ab, ba := a.Clone(), b.Clone()
		ab.Join(b)
		ba.Join(a)
		if !maps.Equal(ab, ba) || !ab.Covers(a) || !ab.Covers(b) {
			t.Fatalf("join of %v and %v is %v and %v", a, b, ab, ba)
		}
		if (a.Missing(b) == 0) != a.Covers(b) {
			t.Fatalf("%v covers %v: %v, missing %d", a, b, a.Covers(b), a.Missing(b))
		}
		if !slices.IsSortedFunc(ab.Origins(), func(x, y NodeID) int { return cmp.Compare(x[0], y[0]) }) {
			t.Fatal("origins are not in order")
		}
	})
}
