package replicate

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"sqlsync/wire"
)

// stream is a connection that carries messages. Read and Write may be called
// by one goroutine each, Close by any.
type stream interface {
	Read() (wire.Message, error)
	Write(wire.Message) error
	// Allow says whether messages may be large from now on. At first they may
	// not.
	Allow(large bool)
	// Arrived counts the bytes that have come in, of unfinished messages too,
	// and Departed those that the connection has taken.
	Arrived() int64
	Departed() int64
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Close() error
}

// partingTime is how long a Bye may take to be written.
const partingTime = time.Second

// greet reads the Hello of a peer that has connected.
func greet(ctx context.Context, s stream, within time.Duration) (*wire.Hello, error) {
	defer context.AfterFunc(ctx, func() { s.Close() })()
	s.SetReadDeadline(time.Now().Add(within))
	m, err := s.Read()
	if err != nil {
		return nil, fmt.Errorf("read hello: %w", err)
	}
	s.SetReadDeadline(time.Time{})
	switch m := m.(type) {
	case *wire.Hello:
		return m, nil
	case *wire.Bye:
		return nil, saidBye(m)
	}
	return nil, fmt.Errorf("%T in place of hello: %w", m, wire.ErrInvalid)
}

// turnAway tells a peer why there will be no session, and closes.
func turnAway(s stream, err error) {
	s.SetWriteDeadline(time.Now().Add(partingTime))
	s.Write(farewell(err)) // the connection ends either way
	s.Close()
}

const (
	// maxMessage bounds what a message may take of a peer that may give us
	// something. There is room for the longest row that SQLite makes; it is
	// taken only as bytes arrive.
	maxMessage = 1200 << 20
	// maxOther bounds the same of other peers, and before that is settled.
	maxOther = 1 << 20
)

// netStream is a stream over a network connection.
type netStream struct {
	net.Conn
	in   *counter
	r    *wire.Reader
	out  *wire.Writer
	sent *counter
}

func newStream(c net.Conn) stream {
	in, sent := &counter{c: c}, &counter{c: c}
	return &netStream{c, in, wire.NewReader(in, wire.Limits{MaxMessage: maxOther}), wire.NewWriter(sent), sent}
}

func (s *netStream) Read() (wire.Message, error) { return s.r.Read() }
func (s *netStream) Write(m wire.Message) error  { return s.out.Write(m) }
func (s *netStream) Arrived() int64              { return s.in.n.Load() }
func (s *netStream) Departed() int64             { return s.sent.n.Load() }

func (s *netStream) Allow(large bool) {
	if large {
		s.r.Allow(maxMessage)
	} else {
		s.r.Allow(maxOther)
	}
}

// counter counts what is read or written through it.
type counter struct {
	c io.ReadWriter
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.c.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// countEvery is how much is written between two counts: a slow line is to be
// told from one that stands still.
const countEvery = 16 << 10

func (c *counter) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		n, err = c.c.Write(b[:min(len(b), countEvery)])
		c.n.Add(int64(n))
		written += n
		b = b[n:]
	}
	return written, err
}
