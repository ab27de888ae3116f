package replicatetest

import (
	"database/sql/driver"
	"errors"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// wall is what clocks in SQL show: that of the node whose call is under way, or
// the real one where there is no world.
var wall time.Time

// fakeJulianday takes the place of SQLite's julianday, by which triggers stamp
// their marks.
var fakeJulianday = sync.OnceFunc(func() {
	sqlite.MustRegisterScalarFunction("julianday", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if len(args) != 1 || args[0] != "now" {
			return nil, errors.New("julianday of anything but now")
		}
		now := wall
		if now.IsZero() {
			now = time.Now()
		}
		const unixEpoch = 2440587.5
		return unixEpoch + float64(now.UnixMilli())/86_400_000, nil
	})
})

// clock is a node's own: the world's, and how far it is off.
type clock struct {
	world func() time.Time
	off   time.Duration
}

func (c *clock) now() time.Time { return c.world().Add(c.off) }

// Skew sets how far the node's clock is off.
func (n *Node) Skew(d time.Duration) { n.clock.off = d }
