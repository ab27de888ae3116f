package crypto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/flynn/noise"
)

const (
	kindAccept = iota
	kindData
	kindRekey
	kindClose
	kindMoved
)

const (
	headerLen = 2
	minRecord = 1 + tagLen
	maxRecord = 32 << 10 // half of what Noise allows: as fast, and half the buffers
	maxData   = maxRecord - minRecord
)

// recordReader is the receiving direction. One goroutine at a time.
type recordReader struct {
	// source has room for exactly one record. So a record is decrypted where it
	// arrived, and a read that a deadline cut short goes on where it stopped.
	source inflow
	last   int // bytes of the last record
	cipher *noise.CipherState

	pending []byte // data not yet read, in source's buffer: valid until source is read
	used    bool   // data has come under the present key
	err     error  // what every further read returns
}

func newRecordReader(source io.Reader, cipher *noise.CipherState) *recordReader {
	return &recordReader{source: inflow{source: source}, cipher: cipher}
}

// Read returns io.EOF after a close record, io.ErrUnexpectedEOF when the stream
// ends without, and ErrBadRecord. All of them stay; a timeout does not.
func (r *recordReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, r.err
	}
	for len(r.pending) == 0 {
		if r.err == nil {
			r.err = r.advance()
		}
		if r.err != nil {
			err := r.err
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.err = nil
			}
			return 0, err
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

// accept takes the server's first record. A key that has a successor says so
// instead.
func (r *recordReader) accept(peer PublicKey) error {
	kind, data, err := r.next()
	if err != nil {
		return err
	}
	if kind == kindMoved {
		if moved := parseMoved(peer, data); moved != nil {
			return moved
		}
	}
	if kind != kindAccept || len(data) != 0 {
		return fmt.Errorf("%w: kind %d where accept was due", ErrBadRecord, kind)
	}
	return nil
}

// advance takes one record and does what it says.
func (r *recordReader) advance() error {
	kind, data, err := r.next()
	switch {
	case err != nil:
		return err
	case kind == kindData && len(data) > 0:
		r.pending, r.used = data, true
		return nil
	case kind == kindRekey && len(data) == 0 && r.used:
		r.cipher.Rekey()
		r.used = false
		return nil
	case kind == kindClose && len(data) == 0:
		return io.EOF
	}
	return fmt.Errorf("%w: kind %d with %d bytes is out of place", ErrBadRecord, kind, len(data))
}

// next decrypts one record. data is valid until the next call.
func (r *recordReader) next() (kind byte, data []byte, err error) {
	r.source.rest(r.last)
	header, err := r.source.peek(headerLen)
	if err != nil {
		return 0, nil, unexpected(err)
	}
	n := int(binary.BigEndian.Uint16(header))
	if n < minRecord || n > maxRecord {
		return 0, nil, fmt.Errorf("%w: length %d", ErrBadRecord, n)
	}
	record, err := r.source.peek(headerLen + n)
	if err != nil {
		return 0, nil, unexpected(err)
	}
	sealed := record[headerLen:]
	plain, err := r.cipher.Decrypt(sealed[:0], nil, sealed)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	r.source.take(headerLen + n)
	r.last = headerLen + n
	return plain[0], plain[1:], nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// recordWriter is the sending direction. One goroutine at a time.
type recordWriter struct {
	sink     io.Writer
	cipher   *noise.CipherState
	room     room
	limit    int64
	interval time.Duration
	now      func() time.Time

	sent  int64     // bytes of data under the present key
	keyed time.Time // when the present key began
	err   error     // what every further write returns
}

func newRecordWriter(sink io.Writer, cipher *noise.CipherState, o Options) *recordWriter {
	return &recordWriter{
		sink:     sink,
		cipher:   cipher,
		limit:    o.RekeyBytes,
		interval: o.RekeyInterval,
		now:      o.Now,
		keyed:    o.Now(),
	}
}

// data sends one data record, of 1 to maxData bytes, and a rekey before it if due.
func (w *recordWriter) data(p []byte) error {
	now := w.now()
	if w.sent > 0 && (w.sent+int64(len(p)) > w.limit || now.Sub(w.keyed) >= w.interval) {
		if err := w.record(kindRekey, nil); err != nil {
			return err
		}
		w.cipher.Rekey()
		w.sent, w.keyed = 0, now
	}
	w.sent += int64(len(p))
	return w.record(kindData, p)
}

// record sends one record. An error stays: how much of the record went out is
// unknown then.
func (w *recordWriter) record(kind byte, data []byte) error {
	if w.err != nil {
		return w.err
	}
	need := headerLen + minRecord + len(data)
	if need <= smallRecord {
		w.room.shrink()
	}
	buf := w.room.of(need)
	buf[headerLen] = kind
	n := 1 + copy(buf[headerLen+1:], data)
	plain := buf[headerLen : headerLen+n]
	sealed, err := w.cipher.Encrypt(plain[:0], nil, plain)
	if err == nil {
		binary.BigEndian.PutUint16(buf, uint16(len(sealed)))
		_, err = w.sink.Write(buf[:headerLen+len(sealed)])
	}
	w.err = err
	return err
}
