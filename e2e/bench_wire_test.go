package e2e_test

import (
	"encoding/csv"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sqlsync/fixtures"
)

// BenchmarkWire is how many bytes go over the wire for rows that are inserted
// in one transaction, handshake and acknowledgements included, beside the same
// rows as CSV through zstd at level 3.
func BenchmarkWire(b *testing.B) {
	n := sized(1_000_000)
	for range b.N {
		var passed atomic.Int64
		p := newPair(b, func(addr string) string { return counted(b, addr, &passed) })
		before := passed.Load()
		insertOrders(b, p.appA, 1, n)
		p.arrived(b, 1+n)
		var c contest
		c.cost(float64(csvBytes(b, n))/float64(n), float64(passed.Load()-before)/float64(n))
		c.report(b, "B/row")
	}
}

// csvBytes is the size of n orders as CSV through zstd -3.
func csvBytes(b *testing.B, n int) int64 {
	b.Helper()
	var size counter
	e, err := zstd.NewWriter(&size, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(3)))
	if err != nil {
		b.Fatal(err)
	}
	w := csv.NewWriter(e)
	for o := range fixtures.Orders(n) {
		var record []string
		for _, v := range o.Values() {
			if v == nil {
				v = ""
			}
			record = append(record, fmt.Sprint(v))
		}
		if err := w.Write(record); err != nil {
			b.Fatal(err)
		}
	}
	w.Flush()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	return size.n.Load()
}

// counter counts what is written to it.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// counted returns an address behind which is addr, and counts the bytes that
// go either way.
func counted(b *testing.B, addr string, passed *atomic.Int64) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	pass := func(to, from net.Conn) {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			passed.Add(int64(n))
			if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
				to.Close()
				from.Close()
				return
			}
		}
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				in.Close()
				continue
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	return l.Addr().String()
}
