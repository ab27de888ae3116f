package wire

import (
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
	w   io.Writer
	buf []byte // of a message, behind room for a frame's header
}

// keptBuffer is how much of a message's buffer is kept for the next one: an idle
// connection costs little.
const keptBuffer = 4 << 10

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes one message, a frame with one call.
func (w *Writer) Write(m Message) error {
	kind, message, err := appendMessage(append(w.buf[:0], make([]byte, frameHeader)...), m)
	if err != nil {
		return err
	}
	body := message[frameHeader:]
	if !large(kind) && len(body) > maxSmall {
		return fmt.Errorf("write message of type %d: %d bytes are more than readers accept", kind, len(body))
	}
	w.buf = message
	if cap(w.buf) > keptBuffer { // do not keep what one large batch took
		w.buf = nil
	}
	for {
		// What precedes the frame was written before.
		frame := message[:frameHeader+min(len(message)-frameHeader, maxFrame)]
		message = message[len(frame)-frameHeader:]
		frame[0], frame[1] = kind, 0
		if len(message) > frameHeader {
			frame[1] = 1
		}
		binary.LittleEndian.PutUint32(frame[2:], uint32(len(frame)-frameHeader))
		if _, err := w.w.Write(frame); err != nil || len(message) == frameHeader {
			return err
		}
	}
}

// Reader reads messages from a connection, which is to have a buffer. It is not
// safe for concurrent use, Allow excepted.
type Reader struct {
	r    io.Reader
	head [frameHeader]byte
	most atomic.Int64 // for messages that may be large
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader, l Limits) *Reader {
	reader := &Reader{r: r}
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
		head := &r.head
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
