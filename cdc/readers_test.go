package cdc

import (
	"testing"
	"time"
)

func TestReadersAreWaitedForAWhile(t *testing.T) {
	var r readers
	now := time.Unix(1e9, 0)
	if r.wait(now, false) {
		t.Error("waits for nobody")
	}
	waited := time.Duration(0)
	for ; r.wait(now.Add(waited), true); waited += time.Millisecond {
		if waited > time.Second {
			t.Fatal("waits for ever")
		}
	}
	if waited != readersMost {
		t.Errorf("waited %v, want %v", waited, readersMost)
	}
	now = now.Add(waited)
	if r.wait(now.Add(readersRest-1), true) {
		t.Error("waits again at once for readers that are always there")
	}
	now = now.Add(readersRest)
	for range 100 { // of many short ones each has its time
		if !r.wait(now, true) || r.wait(now.Add(readersMost/2), false) {
			t.Fatal("does not wait until a reader is gone, or any longer")
		}
		now = now.Add(readersMost)
	}
}
