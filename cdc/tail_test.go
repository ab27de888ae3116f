package cdc

import (
	"testing"

	"sqlsync/merge"
	"sqlsync/wire"
)

func heldAt(pos int64, seq uint64, size int) wire.Held {
	return wire.Held{Pos: pos, Seq: seq, Sealed: &wire.Sealed{Head: make([]byte, size)}}
}

func places(list []wire.Held) (out []int64) {
	for _, h := range list {
		out = append(out, h.Pos)
	}
	return out
}

// The tail answers only where it has everything after a place.
func TestTheTailIsWhole(t *testing.T) {
	var c tail
	c.add(map[string][]wire.Held{"a": []wire.Held{heldAt(7, 1, 10), heldAt(8, 2, 10)}})
	c.add(map[string][]wire.Held{"a": nil})
	c.add(map[string][]wire.Held{"a": []wire.Held{heldAt(9, 3, 10)}})
	for pos, want := range map[int64]int{5: 0, 6: 3, 7: 2, 8: 1, 9: 0} {
		if got := places(c.read("a", pos, nil, 1000)); len(got) != want {
			t.Errorf("after %d it gives %v, want %d", pos, got, want)
		}
	}
	if got := places(c.read("a", 6, merge.Vector{{}: {Seq: 2}}, 1000)); len(got) != 1 || got[0] != 9 {
		t.Errorf("to a peer that has two it gives %v", got)
	}
	if got := places(c.read("a", 6, nil, 15)); len(got) != 2 {
		t.Errorf("of few bytes it gives %v, want what fits and one more", got)
	}
	if got := c.read("b", 6, nil, 1000); got != nil {
		t.Errorf("of another dataset it gives %v", places(got))
	}
	c.add(map[string][]wire.Held{"a": []wire.Held{heldAt(12, 5, 10)}}) // another process had 10 and 11
	if got := c.read("a", 9, nil, 1000); got != nil {
		t.Errorf("over a gap it gives %v", places(got))
	}
	if got := places(c.read("a", 11, nil, 1000)); len(got) != 1 {
		t.Errorf("after a gap it gives %v", got)
	}
	partial := heldAt(13, 6, 10)
	partial.Sealed.Sections = [][]byte{nil}
	c.add(map[string][]wire.Held{"a": {partial, heldAt(14, 7, 10)}})
	if got := places(c.read("a", 11, nil, 1000)); len(got) != 0 {
		t.Errorf("over one that is not whole it gives %v", got)
	}
	if got := places(c.read("a", 13, nil, 1000)); len(got) != 1 {
		t.Errorf("after one that is not whole it gives %v", got)
	}
	c.forget()
	if got := c.read("a", 11, nil, 1000); got != nil {
		t.Errorf("what was forgotten: %v", places(got))
	}
}

// The tail is bounded in bytes; the last batch is kept whatever its size.
func TestTheTailIsBounded(t *testing.T) {
	var c tail
	for pos := int64(1); pos <= 100; pos++ {
		c.add(map[string][]wire.Held{"a": []wire.Held{heldAt(pos, uint64(pos), tailBytes/10)}})
	}
	r := c.m["a"]
	if r.bytes > tailBytes || r.after != 100-int64(len(r.list)) {
		t.Errorf("%d bytes in %d batches after %d", r.bytes, len(r.list), r.after)
	}
	c.add(map[string][]wire.Held{"a": []wire.Held{heldAt(101, 101, 2*tailBytes)}})
	if got := places(c.read("a", 100, nil, 1)); len(got) != 1 {
		t.Errorf("a large one: %v", got)
	}
}
