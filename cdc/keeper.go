package cdc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// failedPause is how long a dataset that could not be sealed is left alone,
// unless something happens.
const failedPause = time.Second

// keeper seals one dataset as it is told, in a goroutine of its own: a dataset
// that is slow, has to keep to a rate, or fails, holds no other one up.
type keeper struct {
	s       *Store
	id      int64
	dataset string
	wake    chan struct{} // of one place
	// marked says that marks were seen, anew that the configuration has
	// changed, so that what waited may not wait any more.
	marked, anew atomic.Bool
}

func (k *keeper) tell(marked, anew bool) {
	if marked {
		k.marked.Store(true)
	}
	if anew {
		k.anew.Store(true)
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run returns nil when ctx ends, and what keeps the whole store from going on.
func (k *keeper) run(ctx context.Context) error {
	again := time.NewTimer(failedPause)
	again.Stop()
	defer again.Stop()
	var last time.Time
	for {
		behind := false // a commit, when the next one is farthest
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
			behind = true
		case <-again.C:
		}
		if rest := time.Until(last.Add(k.s.rank(k.dataset).interval)); rest > 0 && !k.anew.Load() {
			again.Reset(rest)
			continue
		}
		if now := time.Now(); behind && !k.s.rank(k.dataset).foremost && now.Sub(last) < k.s.shared.readers.apart(now) && !k.anew.Load() {
			again.Reset(sealsApart)
			continue
		}
		begun := time.Now()
		some, err := k.seal(ctx)
		if some {
			last = begun
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case Ended(err):
			return err
		case err != nil:
			again.Reset(failedPause)
		}
		if k.s.trouble(k.what(), err) && err != nil {
			k.s.log.Error("cannot seal for now", "db", k.s.path, "dataset", k.dataset, "err", k.s.explain(err))
		}
	}
}

func (k *keeper) what() string {
	if k.dataset == DefaultDataset {
		return "seal"
	}
	return "seal dataset " + k.dataset
}

// seal merges what no longer waits, and seals what is pending, if there is some.
func (k *keeper) seal(ctx context.Context) (some bool, err error) {
	anew := k.anew.Swap(false)
	if anew {
		if err := k.s.replay(ctx, k.dataset); err != nil {
			k.anew.Store(true)
			return false, err
		}
	}
	if some = k.marked.Swap(false); !some {
		some, err = k.hasMarks(ctx)
		some = some || errors.Is(err, errNotDurable) // which the next transaction tries to mend
		if !some && (err != nil || !anew) {
			return false, err
		}
	}
	return some, k.s.sealAll(ctx, k.dataset, true)
}

// hasMarks reports whether something is pending, without a lock.
func (k *keeper) hasMarks(ctx context.Context) (some bool, err error) {
	d := dataset{id: k.id}
	err = k.s.get(ctx, &some, `SELECT EXISTS (SELECT 1 FROM `+d.oplog()+`)`)
	return some, err
}
