package replicate

import (
	"bytes"
	"testing"
	"time"

	"sqlsync/wire"
)

// transmit delivers in order. Once something was lost, nothing more arrives:
// a stream has no holes.
func (s *sim) transmit(e *simEnd, m wire.Message) {
	far := e.far
	if s.apart(e.edge) {
		e.cut, far.cut = true, true
	}
	if e.cut {
		return
	}
	at := s.now.Add(time.Millisecond + s.some(10*time.Millisecond))
	if at.Before(far.arrives) {
		at = far.arrives
	}
	far.arrives = at
	if s.world != nil {
		m = s.bytes.pass(s.t, m)
	}
	s.deliver(far, m, at)
	if _, ok := m.(*wire.Batches); ok && s.world != nil && s.rand.IntN(20) == 0 {
		s.deliver(far, m, at)
	}
}

func (s *sim) deliver(far *simEnd, m wire.Message, at time.Time) {
	s.after(at.Sub(s.now), func() {
		if far.dead {
			return
		}
		if far.inbox = append(far.inbox, m); len(far.inbox) == 1 && far.session.wantsRead() {
			far.inbox = nil
			s.step(far, received{m})
		}
	})
}

// passage makes of messages what a connection makes of them.
type passage struct {
	between bytes.Buffer
	in      *wire.Writer
	out     *wire.Reader
}

func (p *passage) pass(t testing.TB, m wire.Message) wire.Message {
	if p.in == nil {
		p.in, p.out = wire.NewWriter(&p.between), wire.NewReader(&p.between, wire.Limits{})
	}
	if err := p.in.Write(m); err != nil {
		t.Fatalf("write %T: %v", m, err)
	}
	out, err := p.out.Read()
	if err != nil {
		t.Fatalf("read %T: %v", m, err)
	}
	return out
}
