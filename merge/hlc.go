package merge

import (
	"fmt"
	"time"
)

// HLC is a hybrid logical clock timestamp: the upper 48 bits are Unix
// milliseconds, the lower 16 a counter within the millisecond. It is signed
// because SQLite's integers are, and because the sign has a meaning for the
// birth of a row: a baseline row (one that existed before its table was
// watched) is born at the negated timestamp of its seal. Plain signed
// comparison then says what is wanted of births: any insert that was observed
// beats a baseline, and of two baselines the one taken first stands.
//
// See Kulkarni et al., "Logical Physical Clocks" (2014).
type HLC int64

const counterBits = 16

// At returns the first timestamp of the millisecond t lies in.
func At(t time.Time) HLC { return HLC(t.UnixMilli() << counterBits) }

// Time returns the physical part, to the millisecond, in UTC.
func (h HLC) Time() time.Time { return time.UnixMilli(int64(h.Seal()) >> counterBits).UTC() }

// Baseline reports whether h is the birth of a baseline row.
func (h HLC) Baseline() bool { return h < 0 }

// Seal returns the time at which the write was sealed, which for everything
// but a baseline birth is h itself.
func (h HLC) Seal() HLC {
	if h < 0 {
		return -h
	}
	return h
}

// String prints the time and the counter, for people.
func (h HLC) String() string {
	s := fmt.Sprintf("%s+%d", h.Time().Format("2006-01-02T15:04:05.000Z"), h.Seal()&(1<<counterBits-1))
	if h.Baseline() {
		return "baseline " + s
	}
	return s
}

// Clock issues timestamps that only rise. The zero value is a clock that has
// issued nothing. It is a value and not safe for concurrent use: a store loads
// the last timestamp, issues some, and saves Last in the same transaction.
type Clock struct {
	// Last is the greatest timestamp issued or observed.
	Last HLC
}

// Next issues a timestamp for a write made at the physical time at:
// max(Last+1, at). A counter that overflows runs into the milliseconds, which
// keeps the order and costs no more than one millisecond per 65,536 writes.
func (c *Clock) Next(at HLC) HLC {
	c.Last = max(c.Last+1, at)
	return c.Last
}

// Observe makes every later timestamp greater than h.
func (c *Clock) Observe(h HLC) { c.Last = max(c.Last, h.Seal()) }
