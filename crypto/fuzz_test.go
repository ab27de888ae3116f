package crypto

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"
)

// script is a connection whose other end says what was written before.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s *script) Close() error                { return nil }
func (s *script) SetDeadline(time.Time) error { return nil }

// decoder gives its seeds and returns what tries bytes on it.
type decoder func(f *testing.F, seed func([]byte)) (try func(*testing.T, []byte))

// fuzz tries bytes on decoders, of which one sees them as the first byte says.
// Together they have the time of one target.
func fuzz(f *testing.F, decoders ...decoder) {
	tries := make([]func(*testing.T, []byte), len(decoders))
	for i, d := range decoders {
		tries[i] = d(f, func(b []byte) { f.Add(byte(i), b) })
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) { tries[int(which)%len(tries)](t, b) })
}

// FuzzHandshake is what comes over a connection, before anybody has shown a key
// and after that.
func FuzzHandshake(f *testing.F) { fuzz(f, fuzzServer, fuzzClient, fuzzRecords, fuzzSealedRecords) }

// FuzzSigned is what a key has to have signed: by itself, or in a payload or
// packet.
func FuzzSigned(f *testing.F) {
	fuzz(f, fuzzMoved, fuzzIntroduced, fuzzAnnounced, fuzzStated, fuzzSignedStatement)
}

// FuzzText is what people paste, and files that they put back.
func FuzzText(f *testing.F) {
	fuzz(f, fuzzTicket, fuzzTicketBytes, fuzzPublicKey, fuzzIdentity, fuzzDatasetKeys, fuzzKeysText, fuzzKeysBytes)
}

// fuzzServer gives a server what a client says. Nobody who does not know its key
// and has none of its own is let in or told more than the second message.
func fuzzServer(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	server := node(f, serverNode)
	near, far := net.Pipe()
	t := &tap{Conn: near}
	go Server(context.Background(), far, server, admitAll, Options{Rand: seeded(100 + serverNode)})
	c, err := Client(context.Background(), t, node(f, clientNode), server.PublicKey(), []byte("payload"), Options{Rand: seeded(100 + clientNode)})
	if err != nil {
		f.Fatal(err)
	}
	far.Close()
	c.Close()
	whole := bytes.Join(t.writes, nil)
	first := 2 + helloLen
	third := first + 2 + identifyLen + len("payload")
	seed(whole[:first])
	seed(whole[:third])
	seed([]byte{0, helloLen})
	return func(t *testing.T, in []byte) {
		s := &script{in: bytes.NewReader(in)}
		conn, err := accept2(s, server)
		known := len(in) >= first && bytes.Equal(in[:first], whole[:first])
		switch {
		case err == nil && !bytes.HasPrefix(in, whole[:third]):
			t.Fatalf("let in %v, who said %x", conn.Peer(), in)
		case err != nil && bytes.HasPrefix(in, whole[:third]):
			t.Fatal(err)
		case err != nil && s.out.Len() != 0 && !(known && s.out.Len() == 2+helloLen):
			t.Fatalf("answered %x", s.out.Bytes())
		}
	}
}

// accept2 is accept with the ephemeral key that makes a recorded third message
// good again.
func accept2(c net.Conn, id *Identity) (*Conn, error) {
	conn, _, err := accept(c, []Host{{id, admitAll}}, Options{Rand: seeded(100 + serverNode)}.withDefaults())
	return conn, err
}

// fuzzClient gives a client what whoever answers at an address says.
func fuzzClient(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	server := node(f, serverNode)
	near, far := net.Pipe()
	t := &tap{Conn: far}
	go Server(context.Background(), t, server, admitAll, Options{Rand: seeded(100 + serverNode)})
	if _, err := Client(context.Background(), near, node(f, clientNode), server.PublicKey(), nil, Options{Rand: seeded(100 + clientNode)}); err != nil {
		f.Fatal(err)
	}
	whole := bytes.Join(t.writes, nil)
	seed(whole)
	seed(whole[:2+helloLen])
	return func(t *testing.T, in []byte) {
		s := &script{in: bytes.NewReader(in)}
		_, err := connect(s, node(t, clientNode), server.PublicKey(), nil, Options{Rand: seeded(100 + clientNode)}.withDefaults())
		if (err == nil) != bytes.HasPrefix(in, whole) {
			t.Fatalf("%x: %v", in, err)
		}
		if err != nil && !bytes.HasPrefix(in, whole[:2+helloLen]) && s.out.Len() != 2+helloLen {
			t.Fatalf("said %x to whoever it was", s.out.Bytes())
		}
	}
}

// fuzzMoved gives a client what a server says that has another key now.
func fuzzMoved(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	id, all := rotated(f, 1)
	old := all[1]
	s := id.succession(0)
	seed(s.moved())
	return func(t *testing.T, data []byte) {
		m := parseMoved(old.PublicKey(), data)
		if (m != nil) != bytes.Equal(data, s.moved()) {
			t.Fatalf("%x: %v", data, m)
		}
	}
}
