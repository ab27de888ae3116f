package wire

import (
	"errors"
	"io"
)

// sliceReader reads a slice; unlike bytes.Reader it fits no fast path that
// would decode a frame in one piece.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
