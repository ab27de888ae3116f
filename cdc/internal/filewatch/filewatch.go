// Package filewatch tells when a SQLite database may have been written to by
// any process.
//
// It never opens the database file: closing a second descriptor of a file
// drops the POSIX locks that SQLite holds on it in the same process
// (https://www.sqlite.org/howtocorrupt.html §2.2).
package filewatch

// Watcher signals writes to one database. The zero Watcher never signals.
type Watcher struct {
	// Events gets a signal after a write, several writes may give one. It is
	// nil where the platform has no notification that is safe to use.
	Events <-chan struct{}
	close  func() error
}

// Close ends the watch and waits for its goroutine.
func (w *Watcher) Close() error {
	if w.close == nil {
		return nil
	}
	return w.close()
}
