package replicate

import (
	"fmt"

	"sqlsync/wire"
)

// maxPosted bounds the answers that wait to be said.
const maxPosted = 32

// inbox holds what was received until it is applied. One apply is under way at
// a time and takes all there is, so a slow store gets larger groups.
type inbox struct {
	queue []*wire.Sealed
	// bytes counts the queue and what is being applied.
	bytes    int
	applying int
}

// wantsRead reports whether another message may be read from the peer. Not
// reading is what bounds the memory of a receiver that is slower than its
// sender; the store's progress, which needs nobody, ends it.
func (s *session) wantsRead() bool {
	return !s.isEnded && s.inbox.bytes < s.limits.readAhead && len(s.outbox.posted) < maxPosted && !s.pace.spent(s.now)
}

// takesLarge reports whether the peer may send what needs much room.
func (s *session) takesLarge() bool { return s.isOpen && s.receives || s.askedSchema }

func (s *session) take(batches []*wire.Sealed) {
	if !s.receives {
		s.end(fmt.Errorf("batches against the agreed direction: %w", wire.ErrInvalid))
		return
	}
	for _, b := range batches {
		s.inbox.bytes += b.Size()
	}
	s.inbox.queue = append(s.inbox.queue, batches...)
}

func (s *session) startApply() {
	in := &s.inbox
	if in.applying > 0 || len(in.queue) == 0 || s.agreeing() {
		return
	}
	in.applying = in.bytes
	s.do(apply{in.queue})
	in.queue = nil
}

func (in *inbox) applied() {
	in.bytes -= in.applying
	in.applying = 0
}
