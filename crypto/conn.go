package crypto

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flynn/noise"
)

// closeTimeout is how long Close waits for a write under way and for the peer to
// take the close record.
const closeTimeout = time.Second

// Conn is a net.Conn whose bytes are encrypted and authenticated; [Client] and
// [Server] make it. Any number of goroutines may use it at once; the bytes of one
// Write stay together.
//
// Read returns io.EOF only when the peer closed its Conn, and io.ErrUnexpectedEOF
// when the stream ended in any other way. After [ErrBadRecord] the connection is
// closed. A read that timed out can be tried again under a later deadline; after a
// write that timed out every write fails.
type Conn struct {
	conn net.Conn
	peer PublicKey

	closed atomic.Bool
	broken atomic.Pointer[error] // the bad record that closed the connection

	reading sync.Mutex // guards in
	in      *recordReader
	writing chan struct{} // guards out; full while held, and no Mutex, which would stop a virtual clock
	out     *recordWriter
}

var _ net.Conn = (*Conn)(nil)

func newConn(c net.Conn, peer PublicKey, send, receive *noise.CipherState, o Options) *Conn {
	return &Conn{
		conn:    c,
		peer:    peer,
		in:      newRecordReader(c, receive),
		writing: make(chan struct{}, 1),
		out:     newRecordWriter(c, send, o),
	}
}

// Peer returns the key that the other end proved.
func (c *Conn) Peer() PublicKey { return c.peer }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.in.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, ErrBadRecord):
		bad := err // or the address would put every Read's err on the heap
		if c.broken.CompareAndSwap(nil, &bad) {
			c.conn.Close()
		}
	case c.closed.Load():
		err = net.ErrClosed
	}
	return n, err
}

// Write implements net.Conn. More than a record holds is sent as several, with no
// other Write between them.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	written := 0
	for {
		if err := c.unusable(); err != nil {
			return written, err
		}
		if written == len(p) {
			return written, nil
		}
		part := p[written:min(written+maxData, len(p))]
		if err := c.out.data(part); err != nil {
			if gone := c.unusable(); gone != nil {
				err = gone
			}
			return written, err
		}
		written += len(part)
	}
}

func (c *Conn) unusable() error {
	if err := c.broken.Load(); err != nil {
		return *err
	}
	if c.closed.Load() {
		return net.ErrClosed
	}
	return nil
}

// Close tells the peer that nothing follows, for which it waits a second at most,
// and closes the connection. A Write under way is cut at the end of its present
// record; then, too, the peer reads io.EOF.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	if c.broken.Load() == nil {
		c.conn.SetWriteDeadline(time.Time{})
		timer := time.AfterFunc(closeTimeout, func() { c.conn.Close() })
		c.writing <- struct{}{}
		c.out.record(kindClose, nil)
		<-c.writing
		timer.Stop()
	}
	if err := c.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }
