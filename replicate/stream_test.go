package replicate

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"sqlsync/wire"
)

func init() {
	for _, m := range []wire.Message{&wire.Hello{}, &wire.Batches{}, &wire.Ack{}, &wire.SealRequest{}, &wire.SealDone{}, &wire.SchemaRequest{}, &wire.Schema{}, &wire.Ping{}, &wire.Pong{}, &wire.Bye{}} {
		gob.Register(m)
	}
	newStream = func(c net.Conn) stream { return &gobStream{c, gob.NewEncoder(c), gob.NewDecoder(c)} }
}

type gobStream struct {
	net.Conn
	e *gob.Encoder
	d *gob.Decoder
}

func (s *gobStream) Read() (m wire.Message, err error) {
	if err = s.d.Decode(&m); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: %w", wire.ErrInvalid, err)
	}
	return m, err
}

func (s *gobStream) Write(m wire.Message) error { return s.e.Encode(&m) }
