package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"filippo.io/edwards25519"

	"sqlsync/crypto"
)

// wiretap passes connections on and keeps every byte of them.
type wiretap struct {
	net.Listener
	to    string
	conns sync.WaitGroup

	mu   sync.Mutex
	all  bytes.Buffer
	seen int // connections
}

func (w *wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(b)
}

func newWiretap(tb testing.TB, to string) *wiretap {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w := &wiretap{Listener: l, to: to}
	w.conns.Go(w.run)
	tb.Cleanup(func() { l.Close() })
	return w
}

func (w *wiretap) run() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.seen++
		w.mu.Unlock()
		w.conns.Go(func() {
			defer near.Close()
			far, err := net.Dial("tcp", w.to)
			if err != nil {
				return
			}
			defer far.Close()
			var both sync.WaitGroup
			for _, d := range [][2]net.Conn{{near, far}, {far, near}} {
				both.Go(func() {
					io.Copy(io.MultiWriter(d[1], w), d[0])
					d[1].(*net.TCPConn).CloseWrite()
				})
			}
			both.Wait()
		})
	}
}

// Everything that two nodes say to each other, from the invitation to live
// changes both ways, is seen by a third, who learns nothing.
func TestCaptureShowsNothing(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	a, b := newNode(t, dir, "a"), newNode(t, dir, "b")
	a.sqlite(`CREATE TABLE tbl_Quixotry (col_Zephyranthes INTEGER PRIMARY KEY, col_Bandersnatch TEXT, col_Wimblewamble BLOB);
		CREATE INDEX idx_Frumious ON tbl_Quixotry (col_Bandersnatch);
		INSERT INTO tbl_Quixotry VALUES (1, 'val_Oxtercogged', x'00112233445566778899aabbccddeeff');
		CREATE TABLE tbl_Elsewhere (id INTEGER PRIMARY KEY)`)
	a.must("watch", "tbl_Quixotry", "--dataset", "set_Galumphing")
	a.must("watch", "tbl_Elsewhere")
	a.serve()
	tap := newWiretap(t, a.addr)
	ticket := strings.Split(strings.TrimSpace(a.must("invite", "--addr", tap.Addr().String())), "\n")
	secret := ticket[len(ticket)-1]
	b.must("join", secret, "--name", "office_Mimsy")
	b.serve()
	a.sqlite(`INSERT INTO tbl_Quixotry VALUES (2, 'val_Borogoves', randomblob(100000))`)
	b.sqlite(`INSERT INTO tbl_Quixotry VALUES (3, 'val_Jubjub', NULL)`)
	waitFor(t, "both rows", func() bool {
		const q = `SELECT count(*) FROM tbl_Quixotry`
		return a.sqlite(q) == "3" && b.sqlite(q) == "3"
	})
	b.must("sync")
	b.must("verify", "office_Mimsy")
	b.stop()
	a.stop()
	tap.Close()
	tap.conns.Wait()

	captured := tap.all.Bytes()
	if tap.seen < 3 || len(captured) < 100_000 {
		t.Fatalf("only %d connections and %d bytes were captured", tap.seen, len(captured))
	}
	needles := map[string][]byte{
		"a name of a file": []byte("sqlite"), "the program": []byte("sqlsync"), "the software": []byte("Noise"),
		"a blob": {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}, "a zstd frame": {0x28, 0xb5, 0x2f, 0xfd}, "SQL": []byte("CREATE"),
		"ticket": []byte(secret[len(secret)-20:]),
	}
	for _, word := range []string{"Quixotry", "Zephyranthes", "Bandersnatch", "Wimblewamble", "Frumious", "Oxtercogged", "Galumphing", "Borogoves", "Jubjub", "Elsewhere", "Mimsy", "primary"} {
		needles[word] = []byte(word)
	}
	for _, n := range []*node{a, b} {
		key, err := crypto.ParsePublicKey(n.key())
		if err != nil {
			t.Fatal(err)
		}
		point, err := new(edwards25519.Point).SetBytes(key[:])
		if err != nil {
			t.Fatal(err)
		}
		needles[n.name+"'s key"], needles[n.name+"'s key as text"] = key[:], []byte(n.key())
		needles[n.name+"'s X25519 key"] = point.BytesMontgomery()
		file, err := os.ReadFile(n.path + "-sqlsync.key")
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Fields(string(file)) {
			if len(line) > 20 {
				needles[fmt.Sprint(n.name, "'s key file, ", i)] = []byte(line)
			}
		}
	}
	lower := bytes.ToLower(captured)
	for what, needle := range needles {
		if bytes.Contains(captured, needle) || len(needle) > 5 && bytes.Contains(lower, bytes.ToLower(needle)) {
			t.Errorf("%s is there in clear", what)
		}
		// As UTF-16, little-endian, too.
		wide := make([]byte, 0, 2*len(needle))
		for _, c := range needle {
			wide = append(wide, c, 0)
		}
		if bytes.Contains(captured, wide) {
			t.Errorf("%s is there in UTF-16", what)
		}
	}
	// Of what is encrypted no byte is more likely than another.
	var counts [256]int
	for _, c := range captured {
		counts[c]++
	}
	for c, n := range counts {
		if n > len(captured)/256*2 {
			t.Errorf("byte %#x is %d of %d", c, n, len(captured))
		}
	}
}
