package cdc

import "time"

// The application always wins for the lock, but SQLite has no queue for it:
// whoever waits asks again after pauses that grow. So what we hold at a time is
// bounded, and then the lock is left alone for as long as it takes until
// whoever has waited meanwhile has come round.

const (
	// atOnce is how long the lock is had before it is left alone, while no
	// other program writes; atOnceShared while one does.
	atOnce       = 80 * time.Millisecond
	atOnceShared = time.Millisecond
	// slice is for how long a transaction has the lock, as far as batches, which
	// are merged whole, allow; lesserSlice if others go before its dataset.
	slice       = 25 * time.Millisecond
	lesserSlice = 3 * time.Millisecond
	// yieldMost bounds the rest of a dataset that others go before.
	yieldMost = 20 * time.Millisecond
	// writesOn is for how long after the last write but one another program
	// counts as writing: that one is over, however long it was, is no reason to
	// expect another. lately is the same of a dataset, after any write.
	writesOn = time.Second
	lately   = 5 * time.Second
)

// asks is when, from the first time, SQLite's busy handler asks for a lock
// again, in milliseconds; and so on every 25.
// See sqliteDefaultBusyCallback in https://www.sqlite.org/src/file/src/main.c.
var asks = []time.Duration{0, 1, 3, 8, 18, 33, 53, 78, 103, 128}

// comesRound is for how long the lock has to be free, after it was held for a
// time, until a program that found it so has asked again.
func comesRound(held time.Duration) time.Duration {
	const late = 500 * time.Microsecond // who sleeps wakes up a little later
	i := 1
	for i < len(asks)-1 && held >= asks[i]*time.Millisecond {
		i++
	}
	return (asks[i]-asks[i-1])*time.Millisecond + late
}

// shared is how the lock is shared. It is of whoever has the writer.
type shared struct {
	// not is set where the store's clock is not the real one: a simulation, whose
	// course may not depend on how long things take.
	not bool
	// version is PRAGMA data_version of the writer, others when another program
	// was seen to have moved it the last time but one and the last time, and
	// writing whether both were lately, as of the last transaction.
	version int64
	others  [2]time.Time
	writing bool
	// held is for how long the lock was had since it was left alone, ended when
	// the last transaction did, and priority that one's.
	held  time.Duration
	ended time.Time
	// freed is when a transaction gave the lock back that syncs the log after that,
	// zero where the time that it is left alone begins after the sync.
	freed    time.Time
	priority int64
	// until is to when it is left alone.
	until   time.Time
	readers readers
	// busy is the most urgent of what was written lately.
	busy struct {
		priority int64
		at       time.Time
	}
}

// above reports whether something goes on that is more urgent.
func (l *shared) above(now time.Time, priority int64) bool {
	return !l.not && priority < l.busy.priority && now.Sub(l.busy.at) < lately
}

// noteOthers notes whether another program has written since the last
// transaction.
func (t *tx) noteOthers() error {
	if t.s.shared.not {
		return nil
	}
	version, err := t.Int(`PRAGMA main.data_version`)
	if err != nil {
		return err
	}
	l, now := &t.s.shared, time.Now()
	if version != l.version && l.version != 0 {
		l.others = [2]time.Time{l.others[1], now}
	}
	l.version, l.writing = version, now.Sub(l.others[0]) < writesOn
	return nil
}

// spent reports whether a transaction has had the lock for as long as it may,
// as far as what it does can be left to another one.
func (t *tx) spent(r rank) bool {
	if t.locked.IsZero() || t.s.shared.not {
		return false
	}
	had, most := time.Since(t.locked), slice
	if r.lesser {
		most = lesserSlice
	}
	if t.s.shared.writing {
		most = atOnceShared
	}
	return had >= most || r.lesser && t.s.turns.urgent(r.priority)
}

// rest notes for how long the writer is left alone after a transaction that
// ran until now and had the lock for a part of that. While something more
// urgent goes on, what is less urgent takes half of the time at most, of the
// lock and so of the processors.
func (l *shared) rest(now time.Time, priority int64, grown bool, ran, locked time.Duration) {
	if l.not {
		return
	}
	if now.Sub(l.ended)-ran >= comesRound(l.held) {
		l.held = 0
	}
	l.held += locked
	l.ended, l.until, l.priority = now, now, priority
	if l.held >= atOnce || l.held >= atOnceShared && l.writing {
		l.until = now.Add(comesRound(l.held))
		l.held = 0
	}
	if l.above(now, priority) {
		if least := now.Add(min(ran, yieldMost)); least.After(l.until) {
			l.until = least
		}
	} else if grown && priority != ahead {
		l.busy.priority, l.busy.at = priority, now
	}
}
