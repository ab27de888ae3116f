package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sqlsync/merge"
)

var update = flag.Bool("update", false, "write the golden files anew")

var key = ed25519.NewKeyFromSeed(make([]byte, 32))

func sign(h Hash) []byte { return ed25519.Sign(key, h[:]) }

func check(origin merge.NodeID, h Hash, signature []byte) bool {
	return ed25519.Verify(origin[:], h[:], signature)
}

func origin() merge.NodeID { return merge.NodeID(key.Public().(ed25519.PublicKey)) }

// small is a batch with one of everything.
func small() *Batch {
	other := merge.NodeID{1, 2, 3}
	return &Batch{
		Header: Header{
			Dataset: "primary", Origin: origin(), Seq: 7, Prev: Hash{9}, First: 100, Last: 104,
			Seen: []Horizon{{Origin: [8]byte{1, 2, 3}, HLC: 99}},
		},
		Sections: []Section{
			{Table: "items", Key: []string{"id"}, Columns: []string{"name", "qty"}, Changes: []Change{
				{Op: merge.Insert, HLC: 100, Key: []Value{int64(1)}, Values: []Value{"one", int64(-5)}},
				{Op: merge.Insert, Baseline: true, HLC: 101, Key: []Value{int64(2)}, Values: []Value{nil, 1.5}},
				{Op: merge.Update, HLC: 102, Birth: merge.Version{HLC: -50, Origin: other}, Key: []Value{int64(3)}, Columns: []int{1}, Values: []Value{[]byte{0, 255}}},
				{Op: merge.Delete, HLC: 103, Birth: merge.Version{HLC: 60, Origin: origin()}, Key: []Value{int64(4)}},
			}},
			{Table: "no cells", Key: []string{"a", "b"}, Changes: []Change{{Op: merge.Insert, HLC: 104, Key: []Value{"", []byte{}}, Values: []Value{}}}},
		},
	}
}

func seal(t testing.TB, b *Batch) *Sealed {
	t.Helper()
	s, err := Seal(b, sign)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".hex")
	var text strings.Builder
	for d := got; len(d) > 0; {
		n := min(len(d), 32)
		text.WriteString(hex.EncodeToString(d[:n]) + "\n")
		d = d[n:]
	}
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s: bytes are\n%s\nwant\n%s", name, text.String(), want)
	}
}

// The uncompressed forms are pinned; what a compressor makes of them is not.
func TestGoldenBytes(t *testing.T) {
	b := small()
	for i := range b.Sections {
		golden(t, "section"+string(rune('0'+i)), appendSection(nil, &b.Sections[i]))
	}
	golden(t, "head", appendHead(nil, &b.Header, []SectionHead{{Table: "items", Changes: 4, Size: 99, Hash: Hash{5}}}))
	golden(t, "row", AppendRow(nil, []Value{nil, int64(1), -1.5, "text", []byte("blob")}))
	for name, m := range messages() {
		kind, body, err := appendMessage(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if name != "batches" {
			golden(t, "message-"+name, append([]byte{kind}, body...))
		}
	}
}

func messages() map[string]Message {
	v := merge.Vector{merge.NodeID{1}: {Seq: 2, HLC: 3}, merge.NodeID{0, 9}: {Seq: 300, HLC: 1 << 50}}
	s, err := Seal(small(), sign)
	if err != nil {
		panic(err)
	}
	return map[string]Message{
		"hello": &Hello{MinProtocol: 1, MaxProtocol: 2, Software: "sqlsync", Dataset: "primary", Pull: true, Vector: v,
			Tables: []TableOffer{{Name: "items", Policy: "lww", Fingerprint: "ab", Shape: "cd"}}, Now: 77},
		"hello-interest": &Hello{MinProtocol: 1, MaxProtocol: 3, Software: "sqlsync", Dataset: "primary", Push: true, Tables: []TableOffer{}, Now: 77, Wants: []string{"items", "orders"}, Held: v},
		"hello-private":  &Hello{MinProtocol: 1, MaxProtocol: 3, Software: "sqlsync", Dataset: "primary", Push: true, Vector: v, Tables: []TableOffer{}, Now: 77, Proof: &Proof{1, 2, 31: 3}},
		"hello-moved": &Hello{MinProtocol: 1, MaxProtocol: 2, Dataset: "primary", Pull: true, Push: true, Tables: []TableOffer{}, Vector: v,
			Moved: []MovedTable{{"orders", "telemetry"}, {"readings", "logs"}}},
		"hello-arrivals": &Hello{MinProtocol: 1, MaxProtocol: 5, Dataset: "telemetry", Pull: true, Push: true, Vector: v,
			Tables: []TableOffer{{Name: "orders"}, {Name: "readings", Arrivals: Arrivals{{1}: 77, {2}: 1}}}},
		"offers-arrivals": &Offers{Tables: []TableOffer{{Name: "orders"}, {Name: "readings", Arrivals: Arrivals{{1}: 77, {2}: 1}}}},
		"hello-renamed": &Hello{MinProtocol: 1, MaxProtocol: 5, Dataset: "primary", Pull: true, Push: true, Vector: v,
			Tables: []TableOffer{{Name: "orders"}, {Name: "stock", Renamed: []RenamedColumn{{"doc", "shelf"}, {"note", "shelf"}}}}},
		"offers-renamed":  &Offers{Tables: []TableOffer{{Name: "stock", Renamed: []RenamedColumn{{"doc", "shelf"}}}}},
		"hello-exchanges": &Hello{MinProtocol: 1, MaxProtocol: 2, Dataset: "primary", Tables: []TableOffer{}, Vector: v, Exchanges: true},
		"known":           &Known{Salt: [16]byte{1, 2}, Tags: [][16]byte{{1}, {2}}},
		"addresses":       &Addresses{List: []Address{{merge.NodeID{1}, []byte("said")}, {merge.NodeID{2}, []byte("so")}}},
		"behind":          &Behind{}, "snapshot-request": &SnapshotRequest{Cursor: []byte("c")},
		"snapshot-part": &SnapshotPart{Heads: []ChainHead{{merge.NodeID{3}, merge.Position{Seq: 4, HLC: 5}, Hash{6}}}, Table: "t", From: []byte("a"), To: []byte("b"), Complete: true, Parts: []*Sealed{s}, Cursor: []byte("d")},
		"offers":        &Offers{Tables: []TableOffer{{Name: "items", Policy: "row", Fingerprint: "ab", Shape: "ef"}}},
		"batches":       &Batches{Sealed: []*Sealed{s, s}}, "ack": &Ack{Vector: v}, "seal-request": &SealRequest{ID: 8}, "seal-done": &SealDone{ID: 8, Vector: v},
		"schema-request": &SchemaRequest{},
		"schema": &Schema{Tables: []TableSchema{{Name: "t", Create: []string{"CREATE"}, Triggers: []string{"T"}, Key: []string{"id"}, Policy: "row", Options: map[string]string{"b": "2", "a": "1"}}},
			Settings: map[string]string{"user_version": "7"}, Datasets: []string{"primary"}},
		"digest-request": &DigestRequest{}, "digests": &Digests{Vector: v, Tables: []TableDigest{{Name: "items", Rows: 300, Sum: "ab"}}},
		"contents-request": &ContentsRequest{}, "contents": &Contents{Heads: []ChainHead{{merge.NodeID{3}, merge.Position{Seq: 4, HLC: 5}, Hash{6}}},
			Tables: []TableContents{{Name: "items", Columns: []string{"id", "name"}, Keyed: true, Settled: true}}},
		"fingerprints-request": &FingerprintsRequest{Aspect: ByValues, Table: "items", Columns: []string{"id"}, Ranges: []KeyRange{{[]byte("a"), []byte("b")}}},
		"fingerprints": &Fingerprints{Vector: v, Ranges: [][]Fingerprint{{
			{To: []byte("a"), Single: true, Rows: 1, Sum: Sum{1}}, {To: []byte("b"), Rows: 300, Sum: Sum{2}, Dead: 2, DeadSum: Sum{3}}, {To: []byte{}},
		}}},
		"states-request": &StatesRequest{Table: "items", Columns: []string{"id"}, Keys: [][]byte{[]byte("a")}},
		"states":         &States{Vector: v, Rows: []RowState{{Here: true, Hashes: []byte("12345678")}, {}}},
		"ranges-request": &RangesRequest{Table: "items", Ranges: []KeyRange{{[]byte("a"), []byte("b")}}},
		"ranges":         &Ranges{Table: "items", Ranges: []KeyRange{{[]byte("a"), []byte("b")}}, Complete: true, Parts: []*Sealed{s}},
		"ping":           &Ping{ID: 1}, "pong": &Pong{ID: 1}, "bye": &Bye{Code: "gap", Text: "why"},
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for name, m := range messages() {
		var buf bytes.Buffer
		if err := NewWriter(&buf).Write(m); err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(buf.Bytes())
		r := NewReader(&buf, Limits{})
		got, err := r.Read()
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: read %+v, %v", name, got, err)
		}
		if _, err := r.Read(); err != io.EOF {
			t.Errorf("%s: at the end %v, want io.EOF", name, err)
		}
		for cut := 1; cut < len(whole); cut++ {
			if _, err := NewReader(bytes.NewReader(whole[:cut]), Limits{}).Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s cut at %d: %v", name, cut, err)
			}
		}
	}
}

func TestBadFrames(t *testing.T) {
	for name, b := range map[string][]byte{
		"unknown type":     {99, 0, 0, 0, 0, 0},
		"frame too long":   {3, 0, 0, 0, 0, 1},
		"bad flag":         {3, 2, 0, 0, 0, 0},
		"types that mix":   {2, 1, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0},
		"empty and more":   {3, 1, 0, 0, 0, 0},
		"a body too short": {8, 0, 0, 0, 0, 0},
		"a body too long":  {8, 0, 2, 0, 0, 0, 1, 1},
	} {
		if _, err := NewReader(bytes.NewReader(b), Limits{}).Read(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	// A message that never ends costs no more than its limit.
	endless := io.MultiReader(bytes.NewReader(nil), &repeat{append([]byte{1, 1, 0, 0, 4, 0}, make([]byte, 256<<10)...), 0})
	if _, err := NewReader(endless, Limits{}).Read(); !errors.Is(err, ErrInvalid) {
		t.Errorf("an endless hello: %v", err)
	}
}

type repeat struct {
	b  []byte
	at int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}
