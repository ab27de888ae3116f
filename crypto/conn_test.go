package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnCarriesBothWays(t *testing.T) {
	client, server := pair(t, Options{RekeyBytes: 200_000})
	sent := make([]byte, 1<<20)
	seeded(3).Read(sent)
	var wg sync.WaitGroup
	for _, c := range []*Conn{client, server} {
		wg.Go(func() {
			if n, err := c.Write(sent); n != len(sent) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		})
		wg.Go(func() {
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read other bytes than were written (%v)", err)
			}
		})
	}
	wg.Wait()
}

func TestWritesStayWhole(t *testing.T) {
	client, server := pair(t, Options{})
	const writers, each, size = 8, 10, maxData + 100
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			p := bytes.Repeat([]byte{byte(i)}, size)
			for range each {
				if _, err := client.Write(p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	got := make([]byte, size)
	for range writers * each {
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(got, got[:1]) != size {
			t.Fatal("two writes are mixed")
		}
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	client, server := pair(t, Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		client.Write([]byte("last words"))
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	if got, err := io.ReadAll(server); string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	wg.Wait()
	if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("again: %d, %v", n, err)
	}
	if err := client.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestCloseEndsReadAndWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pair(t, Options{}) // nobody reads from it
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write: %v", err)
			}
		})
		synctest.Wait()
		started := time.Now()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(started); took != closeTimeout {
			t.Errorf("Close took %v", took)
		}
		wg.Wait()
	})
}

func TestCutConnectionIsNoEnd(t *testing.T) {
	client, server := pair(t, Options{})
	client.conn.Close()
	if _, err := io.ReadAll(server); err != io.ErrUnexpectedEOF {
		t.Errorf("error = %v", err)
	}
}

func TestForgedRecordClosesConnection(t *testing.T) {
	client, server := pair(t, Options{})
	go client.conn.Write(append([]byte{0, 20}, make([]byte, 20)...))
	for range 2 {
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, ErrBadRecord) {
			t.Errorf("Read: %v", err)
		}
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, ErrBadRecord) {
		t.Errorf("Write: %v", err)
	}
	if _, err := client.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is open: %v", err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestReadGoesOnAfterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, Options{})
		record := func() []byte { // the client's next record, held back
			var b bytes.Buffer
			client.out.sink = &b
			if err := client.out.data([]byte("halves")); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}()
		server.SetReadDeadline(time.Now().Add(time.Second))
		go client.conn.Write(record[:9])
		if n, err := server.Read(make([]byte, 9)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read %d, %v", n, err)
		}
		server.SetReadDeadline(time.Time{})
		go client.conn.Write(record[9:])
		got := make([]byte, 6)
		if _, err := io.ReadFull(server, got); string(got) != "halves" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestWriteFailsAfterDeadline(t *testing.T) {
	client, _ := pair(t, Options{})
	client.SetWriteDeadline(time.Unix(1, 0))
	for range 2 {
		if n, err := client.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", n, err)
		}
		client.SetWriteDeadline(time.Time{})
	}
}

func TestSmallReadsAndEmptyOnes(t *testing.T) {
	client, server := pair(t, Options{})
	go func() {
		client.Write(nil)
		client.Write([]byte("abc"))
		client.Close()
	}()
	if n, err := server.Read(nil); n != 0 || err != nil {
		t.Errorf("empty read: %d, %v", n, err)
	}
	var got []byte
	for p := make([]byte, 1); ; {
		n, err := server.Read(p)
		got = append(got, p[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "abc" {
		t.Errorf("read %q", got)
	}
}

func TestOverTCP(t *testing.T) {
	client, server := tcpPair(t)
	if client.RemoteAddr().String() != server.LocalAddr().String() {
		t.Errorf("addresses %v and %v", client.RemoteAddr(), server.LocalAddr())
	}
	sent := make([]byte, 3<<20)
	seeded(4).Read(sent)
	go func() {
		client.Write(sent)
		client.Close()
	}()
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func tcpPair(tb testing.TB) (client, server *Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { dialed.Close(); accepted.Close() })
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if server, err = Server(tb.Context(), accepted, node(tb, serverNode), admitAll, Options{}); err != nil {
			tb.Error(err)
		}
	})
	client, err = Client(tb.Context(), dialed, node(tb, clientNode), node(tb, serverNode).PublicKey(), nil, Options{})
	wg.Wait()
	if err != nil || server == nil {
		tb.Fatal(err)
	}
	return client, server
}

func BenchmarkConn(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := tcpPair(b)
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for range b.N {
					client.Write(p)
				}
				client.Close()
			}()
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{server}, make([]byte, 128<<10)); err != nil || n != int64(size)*int64(b.N) {
				b.Fatalf("read %d bytes, %v", n, err)
			}
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	id, peer := node(b, clientNode), node(b, serverNode)
	for b.Loop() {
		near, far := net.Pipe()
		done := make(chan error)
		go func() {
			_, err := Server(b.Context(), far, peer, admitAll, Options{})
			done <- err
		}()
		if _, err := Client(b.Context(), near, id, peer.PublicKey(), nil, Options{}); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		near.Close()
		far.Close()
	}
}
