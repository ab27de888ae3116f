package cell

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"sqlsync/merge"
)

// write is what travels of a cell.
type write struct {
	value     Value
	travelled []byte
	v         merge.Version
	seen      map[merge.NodeID]merge.HLC
	after     []int // writes that its author had, by index in the history
}

// replica is one node's cell.
type replica struct {
	id    merge.NodeID
	clock merge.Clock
	state State
	have  map[int]bool
	seen  map[merge.NodeID]merge.HLC
}

// history is a cell on some nodes and all that was written to it.
type history struct {
	policy Policy
	writes []write
	nodes  []*replica
}

func nodeID(n int) (id merge.NodeID) {
	id[0] = byte(n + 1)
	return id
}

func newHistory(p Policy, nodes int, initial Value, birth merge.Version) *history {
	h := &history{policy: p}
	for i := range nodes {
		h.nodes = append(h.nodes, &replica{
			id: nodeID(i), state: p.New(initial, birth), have: make(map[int]bool), seen: make(map[merge.NodeID]merge.HLC),
			clock: merge.Clock{Last: birth.HLC.Seal()},
		})
	}
	return h
}

// write lets a node's application write.
func (h *history) write(n int, value Value) (stood bool) {
	r := h.nodes[n]
	v := merge.Version{HLC: r.clock.Next(0), Origin: r.id}
	w := write{value: value, v: v, seen: make(map[merge.NodeID]merge.HLC)}
	for id, hlc := range r.seen {
		w.seen[id] = hlc
	}
	for i := range r.have {
		w.after = append(w.after, i)
	}
	if w.travelled, stood = r.state.Write(value, v); !stood {
		return false
	}
	r.seen[r.id] = v.HLC
	r.have[len(h.writes)] = true
	h.writes = append(h.writes, w)
	return true
}

// deliverable lists the writes that a node has not and whose causes it has.
func (h *history) deliverable(n int) (list []int) {
	r := h.nodes[n]
next:
	for i, w := range h.writes {
		if r.have[i] {
			continue
		}
		for _, before := range w.after {
			if !r.have[before] {
				continue next
			}
		}
		list = append(list, i)
	}
	return list
}

func (h *history) deliver(n, i int) error {
	r, w := h.nodes[n], h.writes[i]
	_, err := r.state.Merge(w.value, w.travelled, w.v, func(o merge.NodeID) merge.HLC { return w.seen[o] })
	r.have[i] = true
	r.seen[w.v.Origin] = max(r.seen[w.v.Origin], w.v.HLC)
	r.clock.Observe(w.v.HLC)
	return err
}

func (h *history) deliverAll(t *rapid.T) {
	for n := range h.nodes {
		for list := h.deliverable(n); len(list) > 0; list = h.deliverable(n) {
			if err := h.deliver(n, rapid.SampledFrom(list).Draw(t, "order")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var scalars = rapid.OneOf(
	rapid.Just[Value](nil), rapid.Map(rapid.Int64Range(-5, 5), func(i int64) Value { return i }),
	rapid.Map(rapid.Float64Range(-2, 2), func(f float64) Value { return f }),
	rapid.Map(rapid.SampledFrom([]string{"", "a", "b", "{"}), func(s string) Value { return s }),
	rapid.Just[Value]([]byte("x")), rapid.Just[Value](int64(math.MaxInt64)),
)

// documents are small, so that paths meet.
func documents(depth int) *rapid.Generator[any] {
	leaf := rapid.SampledFrom([]any{nil, true, "x", 1, 2.5, []any{}, []any{1, 2}})
	if depth == 0 {
		return leaf
	}
	key := rapid.SampledFrom([]string{"a", "b", "c"})
	below := rapid.Deferred(func() *rapid.Generator[any] { return documents(depth - 1) })
	object := rapid.Map(rapid.MapOfN(key, below, 0, 3), func(m map[string]any) any { return m })
	list := rapid.Map(rapid.MapOfN(rapid.IntRange(1, 4), below, 1, 3), func(m map[int]any) any {
		var array []any
		for id, v := range m {
			array = append(array, map[string]any{"id": id, "v": v})
		}
		return array
	})
	return rapid.OneOf(leaf, object, object, list)
}

func texts() *rapid.Generator[Value] {
	return rapid.Map(documents(3), func(v any) Value { return encode(v) })
}

func values(k Kind) *rapid.Generator[Value] {
	if k == Paths {
		return rapid.OneOf(texts(), texts(), texts(), scalars)
	}
	return scalars
}

func longer(local, remote Value, _, _ merge.HLC) (Value, error) {
	if a, b := fmt.Sprint(local), fmt.Sprint(remote); len(a) >= len(b) {
		return local, nil
	}
	return remote, nil
}

var policies = map[string]Policy{
	"counter": {Kind: Sum}, "json": {Kind: Paths}, "max": {Kind: Largest}, "min": {Kind: Smallest},
	"sql": {Kind: Expression, Eval: longer},
}

// Any causal order and any repetition of the same writes gives the same value,
// and a state that was stored and read again is the same.
func TestOrderDoesNotMatter(t *testing.T) {
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				birth := merge.Version{HLC: rapid.SampledFrom([]merge.HLC{1 << 20, -1 << 20}).Draw(t, "birth"), Origin: nodeID(0)}
				h := newHistory(p, 3, values(p.Kind).Draw(t, "initial"), birth)
				t.Repeat(map[string]func(*rapid.T){
					"write": func(t *rapid.T) {
						h.write(rapid.IntRange(0, 2).Draw(t, "node"), values(p.Kind).Draw(t, "value"))
					},
					"deliver": func(t *rapid.T) {
						n := rapid.IntRange(0, 2).Draw(t, "node")
						if list := h.deliverable(n); len(list) > 0 {
							if err := h.deliver(n, rapid.SampledFrom(list).Draw(t, "write")); err != nil {
								t.Fatal(err)
							}
						}
					},
					"again": func(t *rapid.T) {
						n := rapid.IntRange(0, 2).Draw(t, "node")
						for i := range h.nodes[n].have {
							before := h.nodes[n].state.Value()
							if err := h.deliver(n, i); err != nil {
								t.Fatal(err)
							}
							if after := h.nodes[n].state.Value(); !same(before, after) {
								t.Fatalf("write %d again makes %v of %v", i, after, before)
							}
						}
					},
					"store": func(t *rapid.T) {
						r := h.nodes[rapid.IntRange(0, 2).Draw(t, "node")]
						b := r.state.Append(nil)
						s, err := p.Decode(b)
						if err != nil {
							t.Fatal(err)
						}
						if !same(s.Value(), r.state.Value()) || !bytes.Equal(s.Append(nil), b) {
							t.Fatalf("%v is stored and read as %v", r.state.Value(), s.Value())
						}
						r.state = s
					},
				})
				h.deliverAll(t)
				want := h.nodes[0].state.Value()
				for n, r := range h.nodes {
					if got := r.state.Value(); !same(got, want) {
						t.Fatalf("node %d has %v, node 0 %v", n, got, want)
					}
				}
			})
		})
	}
}

// Of two writes that did not see each other both nodes tell the same loss.
func TestLossesAreToldOnBothSides(t *testing.T) {
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				birth := merge.Version{HLC: 1 << 20, Origin: nodeID(0)}
				h := newHistory(p, 2, values(p.Kind).Draw(t, "initial"), birth)
				seen := func(o merge.NodeID) merge.HLC { return birth.HLC }
				h.nodes[1].clock.Last += merge.HLC(rapid.SampledFrom([]int{0, 50}).Draw(t, "ahead"))
				if !h.write(0, values(p.Kind).Draw(t, "first")) || !h.write(1, values(p.Kind).Draw(t, "second")) {
					return
				}
				var losses [2]Loss
				for n := range losses {
					w := h.writes[1-n]
					var err error
					if losses[n], err = h.nodes[n].state.Merge(w.value, w.travelled, w.v, seen); err != nil {
						t.Fatal(err)
					}
				}
				if losses[0].Incoming.IsZero() != losses[1].Local.IsZero() || losses[0].Local.IsZero() != losses[1].Incoming.IsZero() {
					t.Fatalf("%v and %v come to %v; node 0 tells %+v, node 1 %+v", h.writes[0].value, h.writes[1].value, h.nodes[0].state.Value(), losses[0], losses[1])
				}
			})
		})
	}
}

// Two baselines of one row come to the same cell wherever they meet.
func TestBaselinesMeet(t *testing.T) {
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var births []merge.Version
				var initial []Value
				h := &history{policy: p}
				for i := range 2 {
					births = append(births, merge.Version{HLC: -merge.HLC(1<<20 + 7*i), Origin: nodeID(i)})
					initial = append(initial, values(p.Kind).Draw(t, "initial"))
					h.nodes = append(h.nodes, newHistory(p, 2, initial[i], births[i]).nodes[i])
				}
				for range rapid.IntRange(0, 3).Draw(t, "writes") {
					h.write(rapid.IntRange(0, 1).Draw(t, "node"), values(p.Kind).Draw(t, "value"))
				}
				for i, r := range h.nodes {
					r.state.Rebase(initial[1-i], births[1-i])
				}
				h.deliverAll(t)
				if a, b := h.nodes[0].state.Value(), h.nodes[1].state.Value(); !same(a, b) {
					t.Fatalf("%v and %v", a, b)
				}
			})
		})
	}
}

// A counter is its base and all that was added.
func TestCounterAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(policies["counter"], 3, int64(10), merge.Version{HLC: 1 << 20, Origin: nodeID(0)})
		total := int64(10)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			n := rapid.IntRange(0, 2).Draw(t, "node")
			if list := h.deliverable(n); len(list) > 0 && rapid.Bool().Draw(t, "deliver") {
				h.deliver(n, rapid.SampledFrom(list).Draw(t, "write"))
				continue
			}
			d := rapid.Int64Range(-9, 9).Draw(t, "add")
			h.write(n, h.nodes[n].state.Value().(int64)+d)
			total += d
		}
		h.deliverAll(t)
		if got := h.nodes[0].state.Value(); got != total {
			t.Fatalf("counter is %v, want %d", got, total)
		}
	})
}

// An extreme is that of all values, and another write does not stand.
func TestExtreme(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(policies["max"], 2, nil, merge.Version{HLC: 1 << 20, Origin: nodeID(0)})
		var most Value
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			v, n := scalars.Draw(t, "value"), rapid.IntRange(0, 1).Draw(t, "node")
			before := h.nodes[n].state.Value()
			if stood := h.write(n, v); stood != (Compare(v, before) >= 0) && Compare(v, before) != 0 {
				t.Fatalf("%v over %v: stood is %v", v, before, stood)
			}
			if Compare(v, most) > 0 {
				most = v
			}
		}
		h.deliverAll(t)
		if got := h.nodes[0].state.Value(); Compare(got, most) != 0 {
			t.Fatalf("%v, want %v", got, most)
		}
	})
}

// A node that is told a snapshot instead of the writes has the same cell, and
// goes on with it.
func TestSnapshotStandsForTheWrites(t *testing.T) {
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				birth := merge.Version{HLC: 1 << 20, Origin: nodeID(0)}
				h := newHistory(p, 3, values(p.Kind).Draw(t, "initial"), birth)
				for range rapid.IntRange(0, 12).Draw(t, "steps") {
					n := rapid.IntRange(0, 2).Draw(t, "node")
					if list := h.deliverable(n); len(list) > 0 && rapid.Bool().Draw(t, "deliver") {
						if err := h.deliver(n, rapid.SampledFrom(list).Draw(t, "write")); err != nil {
							t.Fatal(err)
						}
						continue
					}
					h.write(n, values(p.Kind).Draw(t, "value"))
				}
				// Node 2 may have nothing: its row is told as it is now.
				from, to := h.nodes[0], h.nodes[2]
				if len(to.have) == 0 {
					to.state = p.New(from.state.Value(), birth)
				}
				if err := p.Join(to.state, from.state.Append(nil)); err != nil {
					t.Fatal(err)
				}
				for i := range from.have {
					to.have[i] = true
					w := h.writes[i]
					to.seen[w.v.Origin] = max(to.seen[w.v.Origin], w.v.HLC)
					to.clock.Observe(w.v.HLC)
				}
				h.deliverAll(t)
				for n, r := range h.nodes {
					if got, want := r.state.Value(), h.nodes[0].state.Value(); !same(got, want) {
						t.Fatalf("node %d has %v, node 0 %v", n, got, want)
					}
				}
			})
		})
	}
}
