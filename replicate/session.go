package replicate

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// config is what a session starts from.
type config struct {
	self, peer merge.NodeID
	dataset    string
	software   string
	// pull and push are what this side allows.
	pull, push bool
	// datasets are those that the peer may have and hear of, nil for all.
	datasets []string
	// vector is the own vector, tables the own offers.
	vector merge.Vector
	tables []wire.TableOffer
	// moved are tables that are in other datasets by now.
	moved []wire.MovedTable
	// exchange is nil where addresses are not exchanged; near says that the peer
	// is on this machine.
	exchange Exchange
	near     bool
	log      *slog.Logger
	// wants and held are as Chooser has them.
	wants []string
	held  merge.Vector
	membership
	hint   hint
	limits limits
}

// limits bound a session in bytes and time.
type limits struct {
	window       int           // bytes sent and not acknowledged
	message      int           // bytes of batches in one message
	load         int           // bytes of batches asked of the store at once
	readAhead    int           // bytes received and not applied
	hold         time.Duration // see relays
	pingEvery    time.Duration
	deadAfter    time.Duration // nothing heard for so long is the end
	stalledAfter time.Duration // nothing of a message taken for so long is, too
	probeWithin  time.Duration
	helloWithin  time.Duration
	confirmEvery time.Duration
}

var defaultLimits = limits{
	window: 4 << 20, message: 256 << 10, load: 1 << 20, readAhead: 4 << 20,
	hold:      50 * time.Millisecond,
	pingEvery: 3 * time.Second, deadAfter: 12 * time.Second, stalledAfter: 2 * time.Minute, probeWithin: 4 * time.Second,
	helloWithin: 10 * time.Second, confirmEvery: 250 * time.Millisecond,
}

// hint is where an earlier session with the same peer had come to: everything
// held up to pos is covered by vector, which the peer had.
type hint struct {
	pos    int64
	vector merge.Vector
}

// session is one connection of one dataset with one peer, as a pure state
// machine: step takes an event and returns what is to be done about it. It
// has no clock but the now it is given, and never blocks. It is not safe for
// concurrent use.
type session struct {
	config
	now time.Time
	out []action

	isOpen, isEnded bool
	// trusted says that the peer may be told of tables and rows, unread that it
	// is of a private dataset whose key is not here.
	trusted, unread bool
	readingSchema   bool
	askedSchema     bool
	// sends and receives are the effective directions, known when open.
	sends, receives bool

	// own is what this side has applied durably, told what of it the peer was
	// told: told never exceeds own.
	own, told merge.Vector
	// theirs is what the peer has applied durably, as it told.
	theirs merge.Vector
	// interest is what the peer wants.
	interest interest

	life   life
	pace   pace
	outbox outbox
	sender sender
	inbox  inbox
	seals  seals
	sync   syncing

	tellings  agreement
	snapshots snapshots
	digests   digesting
	comparing comparing
	evening   evening

	addressing addressing
}

func newSession(c config) *session {
	s := &session{config: c, own: merge.Vector{}, told: merge.Vector{}, theirs: merge.Vector{}}
	s.own.Join(c.vector)
	s.sender.init(c.limits)
	return s
}

// step advances the session by one event. Times must not go back.
func (s *session) step(now time.Time, e event) []action {
	if s.isEnded {
		return nil
	}
	s.now, s.out = now, nil
	s.handle(e)
	s.react()
	return s.out
}

func (s *session) do(a action) { s.out = append(s.out, a) }

func (s *session) handle(e event) {
	switch e := e.(type) {
	case started:
		s.life.begin(s.now)
		s.outbox.post(s.hello())
		s.told.Join(s.own)
	case received:
		s.life.hear(s)
		s.pace.spend(s.now, price(e.message))
		s.receive(e.message)
	case progressed:
		s.life.hear(s)
	case written:
		s.outbox.busy = false
	case drained:
		s.outbox.moved = s.now
	case grown:
		s.grow(e.vector)
	case loaded:
		s.loaded(e.held)
	case applied:
		s.inbox.applied()
		s.grow(e.vector)
		s.otherEnds(e.forked)
	case sealed:
		s.grow(e.vector)
		s.sealed(e.vector)
	case confirmed:
		s.life.confirming = false
		s.otherEnds(e.forked)
	case snapshotRead:
		s.snapshots.answering = false
		s.outbox.post(e.part)
	case snapshotTaken:
		s.tookSnapshot(e.next)
	case offered:
		s.reoffer(e)
	case agreed:
		s.agreed(e)
	case adopted:
		s.tellings.adopting = false
	case schemaRead:
		s.readingSchema = false
		s.outbox.post(s.shown(e.schema))
	case probed:
		s.probe()
	case syncWanted:
		s.sync.wanted = true
	case schemaWanted:
		s.askedSchema = true
		s.outbox.post(&wire.SchemaRequest{})
	case digestsWanted:
		s.digests.wanted = true
	case digested:
		s.digests.answering = false
		s.outbox.post(e.digests)
	case comparisonWanted:
		s.comparing.wanted = e.question
	case compared:
		s.comparing.answering = false
		s.outbox.post(e.answer)
	case evened:
		s.evened(e)
	case reviewed:
		if s.isOpen && !s.tellings.awaited {
			s.learn(s.tellings.offers)
		}
	case lookedAround:
		s.lookAround(e.known)
	case addressesFound:
		s.found(e.told)
	case learned:
		s.addressing.learning = false
	case stopped:
		s.end(e.err)
	}
}

// react does whatever has become possible. Every step ends with it, so that no
// event has to know what it enables.
func (s *session) react() {
	for _, f := range []func(){s.keepAlive, s.startSync, s.startSeal, s.startAgree, s.askDigests, s.askComparison, s.startEven, s.startApply, s.startLoad, s.finishSync, s.startConfirm, s.startAddressing, s.flush} {
		if s.isEnded {
			return
		}
		f()
	}
}

// deadline is when a tick is due; there always is one.
func (s *session) deadline() time.Time {
	due := s.life.due(s)
	if s.sender.held && !s.outbox.busy {
		due = earlier(due, s.sender.relays.due())
	}
	if s.pace.spent(s.now) {
		due = earlier(due, s.pace.due())
	}
	return s.dueEven(due)
}

// grow takes a newer own vector. Vectors may come out of order.
func (s *session) grow(v merge.Vector) {
	s.own.Join(v)
	s.sender.more, s.sender.starved = true, false
	s.evenAgain()
}

func (s *session) hello() *wire.Hello {
	h := &wire.Hello{
		MinProtocol: wire.MinProtocol, MaxProtocol: wire.MaxProtocol,
		Software: s.software, Dataset: s.dataset, Pull: s.pull, Push: s.push,
		Vector: s.own.Clone(), Tables: s.tables, Now: merge.At(s.now),
		Moved: s.moved, Exchanges: s.exchange != nil,
		Wants: s.wants, Held: s.held, Proof: s.proof,
	}
	if s.private { // tables are for members: see meetMember
		h.Tables, h.Wants, h.Held, h.Moved = nil, nil, nil, nil
	}
	return h
}

func (s *session) receive(m wire.Message) {
	if h, ok := m.(*wire.Hello); ok != !s.isOpen {
		if bye, ok := m.(*wire.Bye); ok {
			s.hung(bye)
			return
		}
		s.end(fmt.Errorf("%T out of place: %w", m, wire.ErrInvalid))
	} else if ok {
		s.open(h)
	} else {
		s.receiveOpen(m)
	}
}

func (s *session) receiveOpen(m wire.Message) {
	switch m := m.(type) {
	case *wire.Batches:
		s.take(m.Sealed)
	case *wire.Ack:
		s.acked(m.Vector)
	case *wire.SealRequest:
		s.sealAsked(m.ID)
	case *wire.SealDone:
		s.sealDone(m)
	case *wire.SchemaRequest:
		s.schemaAsked()
	case *wire.Schema:
		s.schemaTold(m)
	case *wire.Behind:
		s.toldBehind()
	case *wire.SnapshotRequest:
		s.snapshotAsked(m)
	case *wire.SnapshotPart:
		s.partCame(m)
	case *wire.Offers:
		s.tablesTold(m.Tables)
	case *wire.DigestRequest:
		s.digestsAsked()
	case *wire.Digests:
		s.do(gotDigests{m})
	case *wire.ContentsRequest, *wire.FingerprintsRequest, *wire.StatesRequest, *wire.RangesRequest:
		s.comparisonAsked(m)
	case *wire.Contents, *wire.Fingerprints, *wire.Ranges, *wire.States:
		s.comparisonCame(m)
	case *wire.Ping:
		s.outbox.answer(m.ID)
	case *wire.Pong:
		s.ponged(m.ID)
	case *wire.Bye:
		s.hung(m)
	default:
		if !s.exchanged(m) {
			s.end(fmt.Errorf("%T: %w", m, wire.ErrInvalid))
		}
	}
}

// open agrees with the peer's Hello, or ends.
func (s *session) open(h *wire.Hello) {
	switch proto := min(h.MaxProtocol, wire.MaxProtocol); {
	case proto < h.MinProtocol || proto < wire.MinProtocol:
		s.end(fmt.Errorf("%w: peer speaks %d to %d, we %d to %d", ErrProtocol, h.MinProtocol, h.MaxProtocol, wire.MinProtocol, wire.MaxProtocol))
		return
	case datasetName(h.Dataset) != s.dataset:
		s.end(fmt.Errorf("%w: peer wants %q, this is %q", ErrNoDataset, brief(h.Dataset), s.dataset))
		return
	case s.otherKey(h):
		s.end(fmt.Errorf("%w %q", ErrOtherKey, s.dataset))
		return
	}
	s.isOpen, s.digests.protocol = true, min(h.MaxProtocol, wire.MaxProtocol)
	s.sends, s.receives = s.push && h.Pull, s.pull && h.Push
	s.theirs.Join(h.Vector)
	s.learnInterest(h)
	s.sender.more = true
	if s.theirs.Covers(s.hint.vector) {
		s.sender.scanned = s.hint.pos
	}
	s.life.unconfirmed = len(s.theirs) > 0
	s.ping() // for the round trip
	if !s.private {
		s.tellings.moved = h.Moved
	}
	s.meetMember(h)
	s.addressing.on = s.exchange != nil && h.Exchanges
	s.askAround()
}

// schemaAsked answers only peers that may pull.
func (s *session) schemaAsked() {
	switch {
	case !s.push:
		s.end(fmt.Errorf("schema of %q: %w", s.dataset, ErrRefused))
	case !s.trusted:
		s.end(fmt.Errorf("schema of %q: %w", s.dataset, ErrNoMember))
	case s.readingSchema:
		s.end(fmt.Errorf("schema asked twice: %w", wire.ErrInvalid))
	default:
		s.readingSchema = true
		s.do(readSchema{})
	}
}

// shown is a schema without the names of datasets that the peer may not have.
func (s *session) shown(m *wire.Schema) *wire.Schema {
	if s.datasets == nil {
		return m
	}
	out := *m
	out.Datasets = slices.DeleteFunc(slices.Clone(m.Datasets), func(d string) bool { return !slices.Contains(s.datasets, d) })
	return &out
}

// hung is the end as the peer wants it.
func (s *session) hung(b *wire.Bye) {
	s.isEnded = true
	var err error
	if b.Code != "" {
		err = saidBye(b)
	}
	s.do(end{err: err})
}

// end ends the session and tells the peer why.
func (s *session) end(err error) {
	s.isEnded = true
	bye := farewell(err)
	if bye != nil && s.private && !s.trusted && (errors.Is(err, wire.ErrInvalid) || errors.Is(err, wire.ErrGap)) {
		bye.Text = "" // it may name a table
	}
	s.do(end{bye, err})
}

// inSync reports whether both sides have everything that either may have of
// the other.
func (s *session) inSync() bool {
	return s.isOpen && (s.sends || s.receives) && !s.agreeing() && !s.snapshots.taking && (!s.receives || s.has(s.theirs)) && (!s.sends || s.theirs.Covers(s.own))
}

// resume is the hint for the next session with the peer.
func (s *session) resume() hint { return hint{s.sender.settled(), s.theirs.Clone()} }

// datasetName gives the dataset that an empty name means.
func datasetName(name string) string {
	if name == "" {
		return "primary"
	}
	return name
}
