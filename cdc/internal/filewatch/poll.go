//go:build !linux && !windows

package filewatch

// New returns a Watcher that never signals: kqueue, which is what there is,
// works on open descriptors of the files themselves. Callers poll instead.
func New(string) (*Watcher, error) { return &Watcher{}, nil }
