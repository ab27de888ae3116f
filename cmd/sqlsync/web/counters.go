package web

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// Counters count what stores do, from before they are opened.
type Counters struct {
	mu      sync.Mutex
	sealed  map[sealedKey]cdc.Amount
	applied map[appliedKey]cdc.Amount
	errors  map[errorKey]int64

	seals, applies *prometheus.HistogramVec
}

type sealedKey struct{ path, dataset string }

type appliedKey struct {
	sealedKey
	peer merge.NodeID
}

type errorKey struct {
	sealedKey
	operation string
}

// durations are the bounds of transactions: from a seal of one row to one of
// the largest batch on a slow disk.
var durations = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// NewCounters returns counters at 0.
func NewCounters() *Counters {
	return &Counters{
		sealed:  make(map[sealedKey]cdc.Amount),
		applied: make(map[appliedKey]cdc.Amount),
		errors:  make(map[errorKey]int64),
		seals:   histogram("sqlsync_seal_duration_seconds", "How long transactions took that sealed."),
		applies: histogram("sqlsync_apply_duration_seconds", "How long transactions took that merged batches of peers."),
	}
}

func histogram(name, help string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: durations}, []string{"database", "dataset"})
}

const (
	sealing  = "seal"
	applying = "apply"
)

// Observe returns what the store of a database is to tell its work to.
func (c *Counters) Observe(path string) func(cdc.Work) {
	return func(w cdc.Work) {
		key := sealedKey{path, w.Dataset}
		c.count(key, w)
		switch {
		case w.Err != nil:
		case w.Applied.Batches > 0:
			c.applies.WithLabelValues(path, w.Dataset).Observe(w.Took.Seconds())
		default:
			c.seals.WithLabelValues(path, w.Dataset).Observe(w.Took.Seconds())
		}
	}
}

func (c *Counters) count(key sealedKey, w cdc.Work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case w.Err != nil && w.From == merge.NodeID{}:
		c.errors[errorKey{key, sealing}]++
	case w.Err != nil:
		c.errors[errorKey{key, applying}]++
	}
	c.sealed[key] = sum(c.sealed[key], w.Sealed)
	if w.Applied.Batches > 0 {
		from := appliedKey{key, w.From}
		c.applied[from] = sum(c.applied[from], w.Applied)
	}
}

func sum(a, b cdc.Amount) cdc.Amount {
	return cdc.Amount{Batches: a.Batches + b.Batches, Changes: a.Changes + b.Changes, Bytes: a.Bytes + b.Bytes}
}

// changes returns how many changes of a database were sealed and applied.
func (c *Counters) changes(path string) (sealed, applied int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.sealed {
		if k.path == path {
			sealed += n.Changes
		}
	}
	for k, n := range c.applied {
		if k.path == path {
			applied += n.Changes
		}
	}
	return sealed, applied
}

// of returns the counts of a dataset: what was sealed, applied by peer, and
// failed by operation.
func (c *Counters) of(key sealedKey) (sealed cdc.Amount, applied map[merge.NodeID]cdc.Amount, failed map[string]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	applied, failed = make(map[merge.NodeID]cdc.Amount), map[string]int64{sealing: 0, applying: 0}
	for k, n := range c.applied {
		if k.sealedKey == key {
			applied[k.peer] = n
		}
	}
	for k, n := range c.errors {
		if k.sealedKey == key {
			failed[k.operation] = n
		}
	}
	return c.sealed[key], applied, failed
}
