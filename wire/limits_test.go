package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"sqlsync/merge"
)

// wide is a section of n updates of one column each, of very many.
func wide(n, columns int) Section {
	s := Section{Table: "wide", Key: []string{"id"}}
	for i := range columns {
		s.Columns = append(s.Columns, fmt.Sprint("c", i))
	}
	for i := range n {
		s.Changes = append(s.Changes, Change{
			Op: merge.Update, HLC: merge.HLC(i + 1), Birth: merge.Version{HLC: 1},
			Key: []Value{int64(i)}, Columns: []int{i % columns}, Values: []Value{int64(i)},
		})
	}
	return s
}

// What counts against the limit of cells is what a section carries, not what
// it could: 10,000 updates of a table of 2,000 columns are an ordinary batch.
func TestSparseUpdatesOfAWideTable(t *testing.T) {
	s := wide(10_000, 2000)
	b := &Batch{Header: Header{Dataset: "primary", Origin: origin(), Seq: 1, First: 1, Last: 10_000}, Sections: []Section{s}}
	got, err := seal(t, b).Open(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got.Sections[0].Changes {
		if len(c.Columns) != 1 || c.Columns[0] != i%2000 || c.Values[0] != int64(i) {
			t.Fatalf("change %d is %+v", i, c)
		}
	}
}

func TestLimitsOfASection(t *testing.T) {
	s := wide(100, 10)
	b := appendSection(nil, &s)
	for name, test := range map[string]struct {
		l  Limits
		ok bool
	}{
		"changes enough": {Limits{MaxChanges: 100}, true},
		"changes":        {Limits{MaxChanges: 99}, false},
		"cells enough":   {Limits{MaxCells: 200}, true}, // a key and a value each
		"cells":          {Limits{MaxCells: 199}, false},
		"cells of keys":  {Limits{MaxCells: 99}, false},
	} {
		_, err := decodeSection(b, test.l.withDefaults())
		if test.ok && err != nil || !test.ok && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// cost runs try and returns what it allocated.
func cost(try func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	try()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Payloads that compress to next to nothing, and ask for much.
func TestPayloadBombs(t *testing.T) {
	names := func(n int) []byte { return append(appendUvarint(nil, n), make([]byte, n)...) }
	deletes := func(n, columns int) []byte {
		b := append(appendStrings(nil, nil), names(columns)...)
		b = append(appendUvarint(b, n), changeDelete)
		b = appendUvarint(b, n)
		b = append(b, bytes.Repeat([]byte{1}, n)...)      // times
		b = append(append(b, 1), make([]byte, 32+2*n)...) // births
		return append(b, make([]byte, columns)...)        // no values of each column
	}
	for name, payload := range map[string][]byte{
		"names":   names(32 << 20),
		"columns": deletes(1, 40_000),
		"long":    appendStrings(nil, []string{strings.Repeat("x", maxName+1)}),
	} {
		var err error
		n := cost(func() { _, err = decodeSection(payload, Limits{}.withDefaults()) })
		if !errors.Is(err, ErrInvalid) || n > 1<<20 {
			t.Errorf("%s: allocated %d: %v", name, n, err)
		}
	}
	// A million deletes beside as many columns as there can be: each is cheap,
	// and so is both.
	start := time.Now()
	if _, err := decodeSection(deletes(1<<20, 32767), Limits{}.withDefaults()); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// A claim of a gigabyte costs what has arrived, and a frame that holds more
// than is claimed is left off.
func TestFramesOfManyZeros(t *testing.T) {
	frame := compress(make([]byte, 64<<20))
	for name, size := range map[string]int{"less": 1000, "one less": 64<<20 - 1, "more": 1 << 30} {
		var err error
		n := cost(func() { _, err = decompress(frame, size) })
		if err == nil || n > 5*64<<20 { // all that was made on the way to 128 MB
			t.Errorf("%s: allocated %d: %v", name, n, err)
		}
	}
	if b, err := decompress(frame, 64<<20); err != nil || len(b) != 64<<20 {
		t.Error(err)
	}
}

func appendUvarint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// A batch of sections each of which is within the limits costs no more than a
// batch may.
func TestBatchOfManyLargeSections(t *testing.T) {
	b := &Batch{Header: Header{Dataset: "primary", Origin: origin(), Seq: 1, First: 1, Last: 1}}
	for i := range 10 {
		b.Sections = append(b.Sections, Section{Table: fmt.Sprint("t", i), Key: []string{"id"}, Columns: []string{"x"}, Changes: []Change{
			{Op: merge.Insert, HLC: 1, Key: []Value{int64(1)}, Values: []Value{make([]byte, 4<<20)}},
		}})
	}
	s := seal(t, b)
	if s.Size() > 100_000 {
		t.Fatalf("the batch takes %d bytes", s.Size())
	}
	if n, err := s.Claims(); err != nil || n < 40<<20 {
		t.Errorf("claims %d: %v", n, err)
	}
	var err error
	n := cost(func() { _, err = s.Open(Limits{MaxBatch: 39 << 20}) })
	if !errors.Is(err, ErrInvalid) || n > 1<<20 {
		t.Errorf("allocated %d: %v", n, err)
	}
	if _, err := s.Open(Limits{}); err != nil {
		t.Error(err)
	}
	few, err := s.Without(func(table string) bool { return table == "t3" })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := few.Open(Limits{MaxBatch: 39 << 20}); err != nil {
		t.Errorf("of which one section is there: %v", err)
	}
}
