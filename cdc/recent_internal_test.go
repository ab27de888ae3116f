package cdc

import (
	"testing"

	"sqlsync/wire"
)

// What is kept is bounded, and nobody who is given it can change it.
func TestRecent(t *testing.T) {
	var r recent
	at := func(pos int64) *wire.Sealed {
		return r.get("primary", &wire.Held{Pos: pos, Seq: uint64(pos), Own: true})
	}
	for pos := range int64(100) {
		r.add([]justSealed{{"primary", pos, uint64(pos), &wire.Sealed{Sections: [][]byte{make([]byte, recentBytes/10)}}}})
		if r.bytes > recentBytes {
			t.Fatalf("%d bytes are kept", r.bytes)
		}
	}
	if at(80) != nil || at(99) == nil || at(95) == nil {
		t.Error("the last ones are not those that are kept")
	}
	at(99).Sections[0] = nil
	if at(99).Sections[0] == nil {
		t.Error("a section was taken out of what is kept")
	}
	for _, other := range []wire.Held{{Pos: 99, Seq: 98, Own: true}, {Pos: 99, Seq: 99}} {
		if r.get("primary", &other) != nil || r.get("other", &wire.Held{Pos: 99, Seq: 99, Own: true}) != nil {
			t.Errorf("given for %+v", other)
		}
	}
}
