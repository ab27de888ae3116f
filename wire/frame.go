package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// A message travels in one or more frames:
//
//	offset 0  1 byte   type of the message
//	offset 1  1 byte   1 if more frames of the message follow, else 0
//	offset 2  4 bytes  length of what follows, little-endian
//	offset 6           so many bytes
const (
	frameHeader = 6
	// maxFrame bounds one frame, and so what is read in one go.
	maxFrame = 256 << 10
	// maxSmall bounds messages that carry neither batches nor a schema.
	maxSmall = 1 << 20
)

// Writer writes messages to a connection. It is not safe for concurrent use.
type Writer struct {
	w   *bufio.Writer
	buf []byte
}

// buffered is how much is gathered of small messages; large ones go past the
// buffers, and an idle connection costs little.
const buffered = 4 << 10

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, buffered)} }

// Write writes one message and flushes it.
func (w *Writer) Write(m Message) error {
	kind, body, err := appendMessage(w.buf[:0], m)
	if err != nil {
		return err
	}
	if !large(kind) && len(body) > maxSmall {
		return fmt.Errorf("write message of type %d: %d bytes are more than readers accept", kind, len(body))
	}
	w.buf = body
	if cap(w.buf) > maxSmall { // do not keep what one large batch took
		w.buf = nil
	}
	for {
		part := body[:min(len(body), maxFrame)]
		body = body[len(part):]
		var head [frameHeader]byte
		head[0] = kind
		if len(body) > 0 {
			head[1] = 1
		}
		binary.LittleEndian.PutUint32(head[2:], uint32(len(part)))
		w.w.Write(head[:]) // a bufio.Writer keeps its first error for Flush
		w.w.Write(part)
		if len(body) == 0 {
			return w.w.Flush()
		}
	}
}

// Reader reads messages from a connection. It is not safe for concurrent use,
// Allow excepted.
type Reader struct {
	r    *bufio.Reader
	most atomic.Int64 // for messages that may be large
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader, l Limits) *Reader {
	reader := &Reader{r: bufio.NewReaderSize(r, buffered)}
	reader.Allow(l.withDefaults().MaxMessage)
	return reader
}

// Allow changes MaxMessage from the next frame on. It may be called while Read
// is under way.
func (r *Reader) Allow(maxMessage int) { r.most.Store(int64(maxMessage)) }

// Read reads one message. It returns io.EOF where the connection ended between
// messages, io.ErrUnexpectedEOF where it ended inside one, and an error that
// wraps ErrInvalid for what no honest peer sends. What it allocates is bounded
// by what has arrived.
func (r *Reader) Read() (Message, error) {
	var kind byte
	var body []byte
	for first := true; ; first = false {
		var head [frameHeader]byte
		if _, err := io.ReadFull(r.r, head[:]); err != nil {
			if !first && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		n := binary.LittleEndian.Uint32(head[2:])
		switch {
		case first && !known(head[0]):
			return nil, fmt.Errorf("%w: unknown type of message %d", ErrInvalid, head[0])
		case !first && head[0] != kind, head[1] > 1, n > maxFrame, n == 0 && head[1] == 1:
			return nil, fmt.Errorf("%w: bad frame", ErrInvalid)
		case len(body)+int(n) > r.limit(head[0]):
			return nil, fmt.Errorf("%w: message is longer than %d bytes", ErrInvalid, r.limit(head[0]))
		}
		kind = head[0]
		var err error
		if body, err = r.more(body, int(n)); err != nil {
			return nil, err
		}
		if head[1] == 0 {
			return decodeMessage(kind, body)
		}
	}
}

// more reads n bytes behind body. n is no more than a frame.
func (r *Reader) more(body []byte, n int) ([]byte, error) {
	at := len(body)
	if cap(body)-at < n {
		grown := make([]byte, at, max(2*cap(body), at+n))
		copy(grown, body)
		body = grown
	}
	body = body[:at+n]
	if _, err := io.ReadFull(r.r, body[at:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return body, nil
}

// limit is how long a message of a kind may be.
func (r *Reader) limit(kind byte) int {
	if large(kind) {
		return int(r.most.Load())
	}
	return maxSmall
}

func large(kind byte) bool {
	return kind == kindBatches || kind == kindSchema || kind == kindSnapshotPart || kind == kindRanges
}
