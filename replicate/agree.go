package replicate

import (
	"slices"

	"sqlsync/wire"
)

// agreement is how the two sides come to know each other's tables. Nothing is
// applied before the store has seen the peer's latest.
type agreement struct {
	// offers are the peer's, if the store is still to be told.
	offers []wire.TableOffer
	due    bool
	asking bool
	// awaited says that the peer is a member and still to tell its tables.
	awaited bool
	// moved are tables that the peer has in other datasets by now.
	moved []wire.MovedTable
	// wanted says that a schema was asked for in order to adopt it, adopting
	// that this is not done.
	wanted, adopting bool
}

// learn takes the peer's tables. One that may not change ours has no say in
// whether they wait: of it is noted only what it has.
func (s *session) learn(tables []wire.TableOffer) {
	if !s.receives && !s.sends {
		return
	}
	s.tellings.offers, s.tellings.due = tables, true
}

func (s *session) startAgree() {
	a := &s.tellings
	if !a.due || a.asking {
		return
	}
	a.due, a.asking = false, true
	s.do(agree{a.offers, a.moved, s.receives})
}

// agreeing reports whether the store may not know of the peer's tables yet.
func (s *session) agreeing() bool {
	return s.tellings.due || s.tellings.asking || s.tellings.awaited
}

func (s *session) agreed(e agreed) {
	s.tellings.asking = false
	s.unevenWith(e.uneven)
	if e.wantsSnapshot && s.speaksSnapshots() {
		s.beBehind()
	}
	if e.wantsSchema && s.receives && !s.tellings.adopting {
		s.tellings.wanted, s.tellings.adopting = true, true
		s.outbox.post(&wire.SchemaRequest{})
	}
}

// schemaTold takes the peer's schema, for whoever asked.
func (s *session) schemaTold(m *wire.Schema) {
	if s.tellings.wanted {
		s.tellings.wanted = false
		s.do(adopt{m})
	}
	s.do(gotSchema{m})
}

// reoffer tells the peer of the own tables when they have changed. Another
// interest is for another session: the vector may have fallen back with it,
// and what is under way may lack what is wanted now.
func (s *session) reoffer(now offered) {
	if !sameInterest(now.wants, s.wants) || !now.as(s.membership) {
		s.end(errRestarted)
		return
	}
	if slices.EqualFunc(now.tables, s.tables, wire.TableOffer.Equal) {
		return
	}
	s.tables = now.tables
	if s.isOpen && !s.tellings.awaited {
		s.learn(s.tellings.offers) // what the peer has may be wanted now
	}
	if !s.private || s.trusted {
		s.outbox.post(&wire.Offers{Tables: now.tables}) // a Hello precedes it: it is the first thing said
	}
}
