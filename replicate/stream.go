package replicate

import (
	"context"
	"fmt"
	"net"
	"time"

	"sqlsync/wire"
)

// stream is a connection that carries messages. Read and Write may be called
// by one goroutine each, Close by any.
type stream interface {
	Read() (wire.Message, error)
	Write(wire.Message) error
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

// newStream carries messages over a network connection.
var newStream = func(c net.Conn) stream {
	return &wireStream{Conn: c, r: wire.NewReader(c, wire.Limits{}), w: wire.NewWriter(c)}
}

type wireStream struct {
	net.Conn
	r *wire.Reader
	w *wire.Writer
}

func (s *wireStream) Read() (wire.Message, error) { return s.r.Read() }
func (s *wireStream) Write(m wire.Message) error  { return s.w.Write(m) }
