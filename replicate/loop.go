package replicate

import (
	"context"
	"sync"
	"time"

	"sqlsync/wire"
)

// loop is the one goroutine that owns a session, with those that work for it:
// a reader, a writer and one per store call under way.
type loop struct {
	*conn
	session *session
	// work is cancelled when the session has ended.
	work   context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	events chan event
	out    chan wire.Message
	permit chan struct{} // lets the reader read one message
	// reading says that the reader has a permit.
	reading bool
	waiting []ask
	// arrived and departed are bytes, as of the last tick.
	arrived, departed int64
	ended             *end
	// reconcile belongs to the takeSnapshot under way, evener and evenOffers to the
	// even.
	reconcile  reconcile
	evener     evener
	evenOffers []wire.TableOffer
}

func newLoop(ctx context.Context, c *conn, growth, reoffers <-chan struct{}) *loop {
	l := &loop{
		conn: c, session: newSession(c.config),
		events: make(chan event), out: make(chan wire.Message, 2), permit: make(chan struct{}, 1),
	}
	l.work, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.group.Go(l.read)
	l.group.Go(l.write)
	l.group.Go(func() { l.watch(growth, reoffers) })
	return l
}

func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for l.ended == nil {
		timer.Reset(time.Until(l.session.deadline()))
		select {
		case e := <-l.events:
			l.step(e)
		case <-timer.C:
			l.tick()
		case q := <-l.asks:
			l.waiting = append(l.waiting, q)
			l.step(q.event)
		case err := <-l.quit:
			l.step(stopped{err})
		case <-ctx.Done():
			l.step(stopped{l.reason()})
		}
	}
	return l.ended.err
}

// tick gives the peer the benefit of what has come in since the last one.
func (l *loop) tick() {
	if n := l.stream.Arrived(); n != l.arrived {
		l.arrived = n
		l.step(progressed{})
	}
	if n := l.stream.Departed(); n != l.departed {
		l.departed = n
		l.step(drained{})
	}
	l.step(ticked{})
}

// reason is what stop was called with, if it was.
func (l *loop) reason() error {
	select {
	case err := <-l.quit:
		return err
	default:
		return nil
	}
}

// close says goodbye, records what the peer has confirmed, and waits for
// everything that was started.
func (l *loop) close() {
	l.cancel()
	l.stream.SetWriteDeadline(time.Now().Add(partingTime))
	if l.ended.bye != nil {
		l.out <- l.ended.bye // there is room: at most one message precedes it
	}
	close(l.out)
	if v := l.session.watermark(); v != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.work), partingTime)
		l.store.Confirm(ctx, l.config.peer, v) // a failure is made up for by the next session
		cancel()
	}
	l.group.Wait()
	l.mu.Lock()
	l.latest.hint = l.session.resume()
	l.mu.Unlock()
}

// step gives the session an event and does what it wants done.
func (l *loop) step(e event) {
	if _, ok := e.(received); ok {
		l.reading = false
	}
	for _, a := range l.session.step(time.Now(), e) {
		l.perform(a)
	}
	l.stream.Allow(l.session.takesLarge())
	if !l.reading && l.session.wantsRead() {
		l.reading = true
		l.permit <- struct{}{}
	}
	l.publish(e)
}

func (l *loop) perform(a action) {
	switch a := a.(type) {
	case send:
		l.out <- a.message
	case load:
		l.start(func(ctx context.Context) { l.load(ctx, a) })
	case apply:
		l.start(func(ctx context.Context) { l.apply(ctx, a) })
	case seal:
		l.start(l.seal)
	case confirm:
		l.start(func(ctx context.Context) { l.confirm(ctx, a) })
	case readSchema:
		l.start(l.readSchema)
	case readSnapshot:
		l.start(func(ctx context.Context) { l.readSnapshot(ctx, a) })
	case takeSnapshot:
		l.start(func(ctx context.Context) { l.takeSnapshot(ctx, a) })
	case agree:
		l.start(func(ctx context.Context) { l.agree(ctx, a) })
	case adopt:
		l.start(func(ctx context.Context) { l.adopt(ctx, a) })
	case digest:
		l.start(l.digest)
	case compare:
		l.start(func(ctx context.Context) { l.compare(ctx, a) })
	case even:
		l.start(func(ctx context.Context) { l.even(ctx, a) })
	case answerKnown:
		l.start(func(ctx context.Context) { l.answerKnown(ctx, a) })
	case learnAddresses:
		l.start(func(ctx context.Context) { l.learnAddresses(ctx, a) })
	case synced, alive, gotSchema, gotDigests, gotComparison:
		l.answer(a)
	case end:
		l.ended = &a
	}
}

// answers pairs an action with the events that it answers.
func answers(a action, e event) bool {
	switch a.(type) {
	case synced:
		return e == syncWanted{}
	case alive:
		return e == probed{}
	case gotDigests:
		return e == digestsWanted{}
	case gotSchema:
		return e == schemaWanted{}
	case gotComparison:
		_, ok := e.(comparisonWanted)
		return ok
	}
	return false
}

func (l *loop) answer(a action) {
	var left []ask
	for _, q := range l.waiting {
		if answers(a, q.event) {
			q.reply <- a
		} else {
			left = append(left, q)
		}
	}
	l.waiting = left
}

// publish shows others where the session stands after an event.
func (l *loop) publish(e event) {
	s := l.session
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := e.(received)
	if ok && s.isOpen {
		l.latest.open, l.latest.theirs = true, s.theirs.Clone()
	}
	if ok {
		l.latest.heard = s.now
	}
	l.latest.missing, l.latest.behind = s.missing(), s.sender.behind
	if s.inSync() {
		l.latest.inSync = s.now
	}
}

func (l *loop) start(f func(context.Context)) { l.group.Go(func() { f(l.work) }) }

// post gives the loop an event, unless it has ended.
func (l *loop) post(e event) {
	select {
	case l.events <- e:
	case <-l.work.Done():
	}
}

// read reads a message per permit.
func (l *loop) read() {
	for {
		select {
		case <-l.permit:
		case <-l.work.Done():
			return
		}
		m, err := l.stream.Read()
		if err != nil {
			l.post(stopped{lost(err)})
			return
		}
		l.post(received{m})
	}
}

// write writes what comes until out is closed, then closes the stream. After
// an error the reader has a moment to find the peer's explanation.
func (l *loop) write() {
	var failed bool
	for m := range l.out {
		if failed {
			continue
		}
		if err := l.stream.Write(m); err != nil {
			failed = true
			l.stream.SetReadDeadline(time.Now().Add(partingTime))
			continue
		}
		l.post(written{})
	}
	l.stream.Close()
}
