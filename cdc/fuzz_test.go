package cdc_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/blake2b"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// FuzzAsked asks of a store what a peer may: to compare tables, for a snapshot
// from a cursor on, and what a reader of the log may, from a cursor of text.
func FuzzAsked(f *testing.F) {
	n := newNode(f, 1, items+`; CREATE TABLE odd (a, b TEXT COLLATE NOCASE, PRIMARY KEY (a, b)); INSERT INTO odd VALUES (1, 'x'), (x'00', 'y')`)
	n.watch(cdc.WatchOptions{}, "items", "odd")
	n.exec(`INSERT INTO items (id) VALUES (1), (2)`)
	n.seal()
	const compare, snapshot, log = 0, 1, 2
	one, two := wire.AppendRow(nil, []wire.Value{int64(1)}), wire.AppendRow(nil, []wire.Value{int64(1), "X"})
	f.Add(byte(compare), "items", "id", []byte{}, one)
	f.Add(byte(compare), "odd", "a", two, []byte{})
	f.Add(byte(compare), "ODD", "B", two, one)
	f.Add(byte(compare), "sqlsync_node", "hlc", one, one)
	for _, row := range [][]wire.Value{{"items", int64(1)}, {"odd", int64(1), "X"}, {nil, 1.5, []byte{0}}} {
		f.Add(byte(snapshot), "", "", wire.AppendRow(nil, row), []byte{})
	}
	f.Add(byte(snapshot), "", "", []byte{}, []byte{})
	for _, text := range []string{"primary:7:1", "a:b:0:0", "primary:-1:x"} {
		f.Add(byte(log), text, "", []byte{}, []byte{})
	}
	stream := n.Stream(cdc.DefaultDataset)
	f.Fuzz(func(t *testing.T, which byte, name, column string, from, to []byte) {
		switch which % 3 {
		case compare:
			tryCompare(t, stream, name, column, from, to)
		case snapshot:
			part, err := stream.Snapshot(t.Context(), &wire.SnapshotRequest{Cursor: from}, nil)
			if err == nil && part.Table == "" && part.Complete {
				t.Fatalf("%x: a part without a table", from)
			}
		case log:
			c, err := cdc.ParseCursor(name)
			if err != nil {
				return
			}
			if again, err := cdc.ParseCursor(c.String()); err != nil || again != c {
				t.Fatalf("%q is %v, and then %v, %v", name, c, again, err)
			}
		}
	})
}

func tryCompare(t *testing.T, stream *cdc.Stream, table, column string, from, to []byte) {
	ranges, columns := []wire.KeyRange{{From: from, To: to}, {From: to}}, []string{"a", column}
	if column == "id" {
		columns = columns[1:]
	}
	for _, q := range []wire.Message{
		&wire.FingerprintsRequest{Aspect: wire.ByValues, Table: table, Columns: columns, Ranges: ranges},
		&wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: table, Ranges: ranges},
		&wire.StatesRequest{Table: table, Columns: columns, Keys: [][]byte{from, to}},
		&wire.RangesRequest{Table: table, Ranges: ranges},
	} {
		answer, err := stream.Compare(t.Context(), q)
		if err == nil && strings.HasPrefix(strings.ToLower(table), "sqlsync") {
			t.Fatalf("%T of %s is answered: %+v", q, table, answer)
		}
		if err != nil && !errors.Is(err, wire.ErrInvalid) {
			t.Fatalf("%T of %q: %v", q, table, err)
		}
	}
}

// FuzzApply has a peer send a section of whatever it likes, signed as it should
// be: the store takes it or not, and is whole.
func FuzzApply(f *testing.F) {
	const schema = items + `; CREATE TABLE counted (id INTEGER PRIMARY KEY, n INTEGER, doc)`
	a := newNode(f, 1, schema)
	a.watch(cdc.WatchOptions{}, "items")
	a.watch(cdc.WatchOptions{Columns: map[string]string{"n": "counter", "doc": "json"}}, "counted")
	b := newNode(f, 2, schema)
	b.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{Columns: map[string]string{"n": "counter", "doc": "json"}}, "counted")
	for _, q := range []string{
		`INSERT INTO items VALUES (1, 'one', 2, x'00'), (2, NULL, 1.5, 'text')`, `UPDATE items SET qty = 9 WHERE id = 1`, `DELETE FROM items WHERE id = 2`,
		`INSERT INTO counted VALUES (1, 5, '{"a":[{"id":1}]}')`, `UPDATE counted SET n = 7, doc = '{"a":[{"id":2}],"b":null}'`,
	} {
		b.exec(q)
		b.seal()
	}
	held, err := b.Stream(cdc.DefaultDataset).After(f.Context(), 0, 1<<30)
	if err != nil {
		f.Fatal(err)
	}
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(1<<20))
	if err != nil {
		f.Fatal(err)
	}
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, h := range held {
		_, dir, err := h.Sealed.Header()
		if err != nil {
			f.Fatal(err)
		}
		for i, s := range h.Sealed.Sections {
			payload, err := unpack.DecodeAll(s, nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(dir[i].Table == "counted", byte(dir[i].Changes), payload)
		}
	}
	var seq uint64
	stream := a.Stream(cdc.DefaultDataset)
	f.Fuzz(func(t *testing.T, counted bool, changes byte, payload []byte) {
		seq++
		var seed [ed25519.SeedSize]byte
		binary.LittleEndian.PutUint64(seed[:], seq)
		key := ed25519.NewKeyFromSeed(seed[:])
		table := "items"
		if counted {
			table = "counted"
		}
		frame := pack.EncodeAll(payload, nil)
		s := &wire.Sealed{Head: headOf(merge.NodeID(key.Public().(ed25519.PublicKey)), table, changes, len(payload), frame), Sections: [][]byte{frame}}
		h := s.Hash()
		s.Signature = ed25519.Sign(key, h[:])
		stream.Apply(t.Context(), merge.NodeID{9}, []*wire.Sealed{s})
		if seq%50 == 0 {
			var found []string
			if _, err := a.Verify(t.Context(), cdc.VerifyOptions{Found: collect(&found)}); err != nil || len(found) > 0 {
				t.Fatalf("verify: %q, %v", found, err)
			}
		}
	})
}

// headOf is the head of a chain's first batch, of one section, as FORMAT.md has it.
func headOf(origin merge.NodeID, table string, changes byte, size int, frame []byte) []byte {
	b := append([]byte{1, byte(len(cdc.DefaultDataset))}, cdc.DefaultDataset...)
	b = append(b, origin[:]...)
	b = append(b, 1)
	b = append(b, make([]byte, 32)...)
	b = binary.AppendUvarint(b, 1)
	b = binary.AppendUvarint(b, 1<<62)
	b = append(b, 0, 1, byte(len(table)))
	b = append(b, table...)
	b = binary.AppendUvarint(append(b, changes), uint64(size))
	sum := blake2b.Sum256(frame)
	return append(b, sum[:]...)
}
