package cdc

import (
	"syscall"
	"time"
)

// nap sleeps for less than a millisecond, of which Go's timers make one where
// nothing else runs: it waits for them in epoll_wait, which counts in those.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(d.Nanoseconds())
	syscall.Nanosleep(&ts, nil) // it may end early, by a signal
}
