package cdc

import (
	"slices"
	"sync"
)

// commits knows where in the oplog source transactions end, as far as that was
// seen, for a seal that cannot cover all there is.
type commits struct {
	mu sync.Mutex
	// last are marks that were the last when somebody looked, by dataset and in
	// order: between two of them are whole transactions.
	last map[int64][]int64
	// broken is the end of a transaction of which a part was sealed.
	broken map[int64]int64
}

// knownCommits bounds how many ends are remembered of a dataset.
const knownCommits = 4096

// note notes that a transaction has ended with a mark.
func (c *commits) note(dataset, mark int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = make(map[int64][]int64)
	}
	list := c.last[dataset]
	if n := len(list); n > 0 && mark <= list[n-1] {
		return
	} else if n == knownCommits {
		list = slices.Delete(list, 0, n/2)
	}
	c.last[dataset] = append(list, mark)
}

// forget is for when all marks are gone: the next ones are numbered anew.
func (c *commits) forget(dataset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.last, dataset)
	delete(c.broken, dataset)
}

// within returns up to where marks of first to last may be sealed as one batch
// of at most limit: whole reports that no transaction ends beyond it, as far as
// is known.
func (c *commits) within(dataset, first, last, limit int64) (to int64, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ends := c.last[dataset]
	next, _ := slices.BinarySearch(ends, first)
	ends = ends[next:]
	if len(ends) > 0 || next > 0 {
		c.last[dataset] = ends
	}
	broken := c.broken[dataset]
	if first > broken || broken > last {
		if last-first < limit {
			return last, true
		}
		over, _ := slices.BinarySearch(ends, first+limit)
		if over > 0 {
			return ends[over-1], true
		}
		if broken = last; over < len(ends) {
			broken = min(last, ends[over])
		}
		if c.broken == nil {
			c.broken = make(map[int64]int64)
		}
		c.broken[dataset] = broken
	}
	to = first - 1 + min(limit, pieceRows)
	if to >= broken {
		return broken, true
	}
	return to, false
}

// shortPause is a pause between marks that may be within a transaction, in days.
const shortPause = 5.0 / 86_400_000

// upTo returns up to which mark a batch that begins with first goes. Where it
// has to end within what may be one transaction or many, it does so at the
// longest pause near by.
func (t *tx) upTo(ds *dataset, first, last, limit int64) (int64, error) {
	to, whole := t.s.commits.within(ds.id, first, last, limit)
	if whole {
		return to, nil
	}
	before, longest := 0.0, shortPause
	end := to
	err := t.Query(func(row []any) error {
		at, _ := row[0].(float64)
		from, _ := row[1].(int64)
		if before > 0 && at-before > longest {
			longest, end = at-before, from-1
		}
		before = at
		return nil
	}, `SELECT at, min(rowid) FROM `+ds.oplog()+` WHERE rowid > ? AND rowid <= ? GROUP BY at`, to-(to-first+1)/4, to+1)
	return end, err
}
