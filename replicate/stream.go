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
	// Arrived counts the bytes that have come in, of unfinished messages too.
	Arrived() int64
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
		return nil, &ByeError{m.Code, m.Text}
	}
	return nil, fmt.Errorf("%T in place of hello: %w", m, wire.ErrInvalid)
}

// turnAway tells a peer why there will be no session, and closes.
func turnAway(s stream, err error) {
	s.SetWriteDeadline(time.Now().Add(partingTime))
	s.Write(farewell(err)) // the connection ends either way
	s.Close()
}

// maxMessage bounds what a peer's message may take. There is room for the
// longest row that SQLite makes; it is taken only as bytes arrive.
const maxMessage = 1200 << 20

// netStream is a stream over a network connection.
type netStream struct {
	net.Conn
	in  *counter
	r   *wire.Reader
	out *wire.Writer
}

func newStream(c net.Conn) stream {
	in := &counter{r: c}
	return &netStream{c, in, wire.NewReader(in, wire.Limits{MaxMessage: maxMessage}), wire.NewWriter(c)}
}

func (s *netStream) Read() (wire.Message, error) { return s.r.Read() }
func (s *netStream) Write(m wire.Message) error  { return s.out.Write(m) }
func (s *netStream) Arrived() int64              { return s.in.n.Load() }

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
