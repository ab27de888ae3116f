package cdc

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// ahead is the priority of what belongs to no dataset: small and for somebody
// who waits.
const ahead = math.MaxInt64

// longestWait is after how long the oldest that waits is next, whatever its
// priority: a dataset that has always something to do does not shut others out.
const longestWait = 500 * time.Millisecond

// turns gives the writer to one transaction after the other: to the one of the
// highest priority that waits, and among equals to the one that came first.
// The zero value is free.
type turns struct {
	mu    sync.Mutex
	taken bool
	queue []*turn // in order of arrival
}

// turn is somebody who waits.
type turn struct {
	priority int64
	since    time.Time
	given    chan struct{} // closed when it has the writer
}

// take returns when the writer is the caller's, who has to pass it on.
func (q *turns) take(ctx context.Context, priority int64) error {
	q.mu.Lock()
	if !q.taken {
		q.taken = true
		q.mu.Unlock()
		return nil
	}
	t := &turn{priority, time.Now(), make(chan struct{})}
	q.queue = append(q.queue, t)
	q.mu.Unlock()
	select {
	case <-t.given:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	i := slices.Index(q.queue, t)
	if i >= 0 {
		q.queue = slices.Delete(q.queue, i, i+1)
	}
	q.mu.Unlock()
	if i < 0 { // it was given at the same moment
		q.pass()
	}
	return ctx.Err()
}

// pass gives the writer to the next.
func (q *turns) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		q.taken = false
		return
	}
	next := 0
	if time.Since(q.queue[0].since) < longestWait {
		for i, t := range q.queue {
			if t.priority > q.queue[next].priority {
				next = i
			}
		}
	}
	t := q.queue[next]
	q.queue = slices.Delete(q.queue, next, next+1)
	close(t.given)
}

// urgent reports whether somebody waits who goes before a priority.
func (q *turns) urgent(priority int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.queue, func(t *turn) bool { return t.priority > priority })
}
