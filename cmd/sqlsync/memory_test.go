package main

import (
	"runtime/metrics"
	"testing"
)

func TestBursts(t *testing.T) {
	var b bursts
	for i, c := range []struct {
		asked uint64
		over  bool
	}{
		{3 << 20, false},   // it has just begun to ask
		{3<<20 + 9, false}, // too little
		{30 << 20, false},  // goes on
		{60 << 20, false},
		{60<<20 + 9, true},
		{60<<20 + 99, false}, // given back already
		{62 << 20, false},
		{62<<20 + 9, false},
		{65 << 20, false},
		{65<<20 + 9, true}, // little by little
	} {
		if over := b.over(c.asked); over != c.over {
			t.Errorf("%d: after %d bytes: over is %v", i, c.asked, over)
		}
	}
	asked := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	if metrics.Read(asked); asked[0].Value.Kind() != metrics.KindUint64 {
		t.Error("Go does not tell how much memory was asked for")
	}
}
