package wire

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Of columns, SpeedDefault makes nothing smaller than SpeedFastest does
// (BenchmarkSeal), and it needs more memory.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constant
	}
	return e
}}

// maxWindow bounds what a decoder keeps, whatever a frame asks for.
const maxWindow = 8 << 20

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(1<<31), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
}}

func compress(b []byte) []byte {
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	return e.EncodeAll(b, make([]byte, 0, len(b)/2+64))
}

var errSize = errors.New("does not decompress to the size it claims")

// room is how much is made ahead of what has been decompressed; columns rarely
// become eight times as long as they were.
func room(packed, size int) int { return min(size, max(1<<20, 8*packed)) }

// decompress gives the size bytes of one frame. Room is made as bytes come
// out, so a claim costs nothing and a bomb no more than its limit.
func decompress(b []byte, size int) ([]byte, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer func() {
		d.Reset(nil)
		decoders.Put(d)
	}()
	if err := d.Reset(&sliceReader{b}); err != nil {
		return nil, errSize
	}
	out := make([]byte, 0, room(len(b), size))
	for len(out) < size {
		if len(out) == cap(out) {
			out = append(make([]byte, 0, min(size, 2*cap(out))), out...)
		}
		n, err := d.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err != nil && (len(out) < size || !isEOF(err)) {
			return nil, errSize
		}
	}
	var more [1]byte
	if n, err := io.ReadFull(d, more[:]); n > 0 || !isEOF(err) {
		return nil, errSize
	}
	return out, nil
}
