package cdc

import (
	"context"
	"slices"
	"testing"
	"time"
)

// The writer goes to the most urgent, and among equals to the one that came
// first.
func TestTurnsGoByPriority(t *testing.T) {
	var q turns
	if err := q.take(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var order []int
	done := make(chan struct{})
	for i, priority := range []int64{0, 5, 0, ahead, 5} {
		go func() {
			if err := q.take(context.Background(), priority); err != nil {
				t.Error(err)
			}
			order = append(order, i) // whoever has the writer is alone
			q.pass()
			done <- struct{}{}
		}()
		for waits := 0; waits <= i; waits = q.waiting() {
			time.Sleep(time.Microsecond)
		}
	}
	if !q.urgent(5) || q.urgent(ahead) {
		t.Error("urgent is not told")
	}
	q.pass()
	for range 5 {
		<-done
	}
	if !slices.Equal(order, []int{3, 1, 4, 0, 2}) {
		t.Errorf("in the order %v", order)
	}
}

// Nobody waits for ever behind those who are more urgent, and who gives up is
// out.
func TestTurnsAreNotStarved(t *testing.T) {
	var q turns
	if err := q.take(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.take(ctx, 0); err == nil {
		t.Error("got the writer, which another has")
	}
	old := &turn{0, time.Now().Add(-longestWait), make(chan struct{})}
	q.queue = []*turn{old, {9, time.Now(), make(chan struct{})}}
	q.pass()
	select {
	case <-old.given:
	default:
		t.Error("the oldest has not got it")
	}
	if q.waiting() != 1 {
		t.Errorf("%d wait", q.waiting())
	}
}

func (q *turns) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}
