package replicate

import (
	"context"
	"errors"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Evener is a Comparer whose tables may hold other values than a peer's although
// both have everything, since they were merged in other ways for a while.
type Evener interface {
	// Uneven reports whether a table that a peer offers is to be compared.
	Uneven(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (bool, error)
	// Even returns a function that takes what peer answered to the question that it
	// returned last, nil to begin, and returns the next question, nil at the end.
	// What differs becomes a change of this side's. NotYet says of an error that
	// the same answer is to be taken when more of the peer's was applied.
	Even(peer merge.NodeID) func(ctx context.Context, answer wire.Message) (question wire.Message, err error)
	NotYet(err error) bool
}

// A comparison that is to be made again waits for longer each time.
const (
	firstEven = time.Second
	lastEven  = time.Minute
	// evenAnyway is after how long a comparison begins although something is on
	// its way all the time.
	evenAnyway = 5 * time.Second
)

// evening is what a session knows of comparing the own tables with the peer's. It
// shares the one question at a time with comparisons that are asked for.
type evening struct {
	// due says that there is something to compare, since when and not before when.
	due              bool
	since, notBefore time.Time
	pause            time.Duration
	// under says that it is under way, asked that an answer is to come, and tried
	// that it was once.
	under, asked, tried bool
	// answer waits for more to be applied here.
	answer wire.Message
}

// canEven reports whether the peer can be asked, and what differs told it.
func (s *session) canEven() bool {
	return s.isOpen && s.sends && s.receives && s.byRanges()
}

// unevenWith notes whether there is something to compare, as the store has it.
func (s *session) unevenWith(due bool) {
	e := &s.evening
	if due && !e.due {
		e.since, e.tried = s.now, false
	}
	e.due = due
}

func (s *session) startEven() {
	e := &s.evening
	if !e.due || e.under || !s.canEven() || s.agreeing() || s.snapshots.taking || s.comparing.asked || s.now.Before(e.notBefore) {
		return
	}
	if !s.inSync() && s.now.Before(e.since.Add(evenAnyway)) {
		return
	}
	e.due, e.under, e.tried = false, true, true
	s.do(even{offers: s.tellings.offers})
}

// evened takes the next question, or the end. What came of it is in the vector that
// was told before.
func (s *session) evened(r evened) {
	e := &s.evening
	switch {
	case r.notYet != nil:
		e.answer = r.notYet
	case s.snapshots.waits:
		s.leaveEven()
	case r.question != nil:
		e.asked = true
		s.outbox.post(r.question)
	default:
		e.under, e.due, e.since = false, e.due || r.uneven, s.now
		if !e.due {
			e.pause = 0
		} else {
			e.pause = min(max(2*e.pause, firstEven), lastEven)
			e.notBefore = s.now.Add(e.pause)
		}
		if s.sync.on && s.sync.weSealed && s.sends { // what was stated again is to go with it
			s.sync.ours = s.own.Clone()
		}
	}
}

// leaveEven makes room for a snapshot; the comparison is begun anew behind it.
func (s *session) leaveEven() {
	s.evening.under, s.evening.due, s.evening.since, s.evening.answer = false, true, s.now, nil
	s.snapshots.waits = false
	s.beBehind()
}

// evenCame takes an answer of the peer's.
func (s *session) evenCame(m wire.Message) {
	s.evening.asked = false
	if s.snapshots.waits {
		s.leaveEven()
		return
	}
	s.do(even{answer: m})
}

// evenAgain takes an answer that had to wait, now that more was applied.
func (s *session) evenAgain() {
	if m := s.evening.answer; m != nil {
		s.evening.answer = nil
		s.do(even{answer: m})
	}
}

// evenDue reports whether a sync is to wait for a comparison.
func (s *session) evenDue() bool {
	return s.evening.under || s.evening.due && !s.evening.tried && s.canEven()
}

// dueEven is when a comparison that waits may begin, if that is to come.
func (s *session) dueEven(due time.Time) time.Time {
	e := &s.evening
	if !e.due || e.under || !s.canEven() {
		return due
	}
	for _, at := range []time.Time{e.notBefore, e.since.Add(evenAnyway)} {
		if at.After(s.now) {
			due = earlier(due, at)
		}
	}
	return due
}

// even has the store compare: nil begins, for what the peer offers.
type even struct {
	answer wire.Message
	offers []wire.TableOffer
}

// evened answers an even. notYet is its answer, to be taken again; without a
// question it was the last one, and uneven says that something is left.
type evened struct {
	question, notYet wire.Message
	uneven           bool
}

// reviewed says that tables of this side's may have become uneven.
type reviewed struct{}

func (even) action()    {}
func (evened) event()   {}
func (reviewed) event() {}

// evener is what Evener's Even has returned for a session.
type evener func(ctx context.Context, answer wire.Message) (question wire.Message, err error)

// do has the store compare. next is the session's.
func (a even) do(ctx context.Context, s Evener, peer merge.NodeID, offers *[]wire.TableOffer, next *evener) (e evened, err error) {
	if a.answer == nil {
		*next, *offers = s.Even(peer), a.offers
	}
	e.question, err = (*next)(ctx, a.answer)
	switch {
	case err != nil && s.NotYet(err):
		return evened{notYet: a.answer}, nil
	case err == nil && e.question == nil:
		e.uneven, err = s.Uneven(ctx, peer, *offers)
	}
	return e, err
}

func (l *loop) even(ctx context.Context, a even) {
	s, ok := l.store.(Evener)
	if !ok {
		l.fail("compare tables", errors.ErrUnsupported)
		return
	}
	e, err := try(ctx, func(ctx context.Context) (evened, error) {
		return a.do(ctx, s, l.config.peer, &l.evenOffers, &l.evener)
	})
	if err != nil {
		l.fail("compare tables", err)
		return
	}
	v, err := try(ctx, l.store.Vector)
	if err != nil {
		l.fail("read vector", err)
		return
	}
	l.post(grown{v})
	l.post(e)
}
