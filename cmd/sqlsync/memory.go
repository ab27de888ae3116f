package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go keeps memory that it does not need for minutes, and garbage for as long
// as nothing new is asked for, which is for ever in a serve that has little to
// do. It mostly runs beside other programs, on small machines: what a burst of
// work has left is given back once that is over.

const (
	// memoryLook is how often it is looked whether a burst is over.
	memoryLook = 2 * time.Second
	// memoryQuiet is less than what is asked for in that time while one goes on,
	// and memoryBurst what makes one; bytes.
	memoryQuiet = 1 << 20
	memoryBurst = 4 << 20
)

// bursts tells when one is over by the bytes that were ever asked for.
type bursts struct{ last, done uint64 }

func (b *bursts) over(asked uint64) bool {
	quiet := asked-b.last < memoryQuiet
	b.last = asked
	if !quiet || asked-b.done < memoryBurst {
		return false
	}
	b.done = asked
	return true
}

// giveBackMemory does that until ctx ends.
func giveBackMemory(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	asked := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var b bursts
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(asked)
		if b.over(asked[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
