package crypto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/flynn/noise"
)

func testKey() *noise.CipherState {
	suite := noise.NewCipherSuite(noise.DH25519, xchachaPoly{}, noise.HashBLAKE2b)
	return noise.UnsafeNewCipherState(suite, [32]byte{7}, 0)
}

func testWriter(sink io.Writer, o Options) *recordWriter {
	return newRecordWriter(sink, testKey(), o.withDefaults())
}

// stream is the records of the given data, closed if the last is nil.
func stream(tb testing.TB, o Options, data ...[]byte) (records [][]byte) {
	tb.Helper()
	var b bytes.Buffer
	w := testWriter(&b, o)
	for _, d := range data {
		var err error
		if d == nil {
			err = w.record(kindClose, nil)
		} else {
			err = w.data(d)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return split(b.Bytes())
}

func split(b []byte) (records [][]byte) {
	for len(b) > 0 {
		n := headerLen + int(binary.BigEndian.Uint16(b))
		records, b = append(records, slices.Clone(b[:n])), b[n:]
	}
	return records
}

func readAll(b []byte) ([]byte, error) {
	return io.ReadAll(newRecordReader(bytes.NewReader(b), testKey()))
}

func TestBadStreams(t *testing.T) {
	good := stream(t, Options{}, []byte("one"), []byte("two"), []byte("six"), nil)
	join := func(order ...int) []byte {
		var b []byte
		for _, i := range order {
			b = append(b, good[i]...)
		}
		return b
	}
	flipped := func(record, at int) []byte {
		b := slices.Clone(good[record])
		b[at] ^= 1
		return slices.Concat(append(slices.Clone(good[:record]), b)...)
	}
	for _, test := range []struct {
		name string
		in   []byte
		text string
		want error
	}{
		{"whole", join(0, 1, 2, 3), "onetwosix", nil},
		{"after close", join(0, 3-2, 2, 3, 0), "onetwosix", nil},
		{"empty", nil, "", io.ErrUnexpectedEOF},
		{"cut between records", join(0, 1), "onetwo", io.ErrUnexpectedEOF},
		{"cut in header", append(join(0), good[1][:1]...), "one", io.ErrUnexpectedEOF},
		{"cut in record", append(join(0), good[1][:9]...), "one", io.ErrUnexpectedEOF},
		{"close alone", join(3), "", ErrBadRecord},
		{"repeated", join(0, 0), "one", ErrBadRecord},
		{"missing", join(1, 2, 3), "", ErrBadRecord},
		{"swapped", join(0, 2, 1, 3), "one", ErrBadRecord},
		{"ciphertext altered", flipped(1, headerLen), "one", ErrBadRecord},
		{"data altered", flipped(1, headerLen+2), "one", ErrBadRecord},
		{"tag altered", flipped(1, len(good[1])-1), "one", ErrBadRecord},
		{"length one less", append(append(flipped(1, 1), 0), join(2)...), "one", ErrBadRecord},
		{"length zero", append(join(0), 0, 0), "one", ErrBadRecord},
		{"length of a bare tag", append(join(0), append([]byte{0, 16}, make([]byte, 16)...)...), "one", ErrBadRecord},
		{"length over the limit", append(join(0), 0x80, 0x01), "one", ErrBadRecord},
		{"length beyond the end", append(join(0), 0x80, 0x00, 1, 2, 3), "one", io.ErrUnexpectedEOF},
	} {
		got, err := readAll(test.in)
		if string(got) != test.text || !errors.Is(err, test.want) {
			t.Errorf("%s: read %q, %v, want %q, %v", test.name, got, err, test.text, test.want)
		}
	}
}

// An authenticated peer that breaks the rules is stopped too.
func TestRecordsOutOfPlace(t *testing.T) {
	for _, test := range []struct {
		name  string
		kind  byte
		data  string
		first string
	}{
		{"second accept", kindAccept, "", "x"},
		{"empty data", kindData, "", "x"},
		{"rekey with data", kindRekey, "x", "x"},
		{"rekey of an unused key", kindRekey, "", ""},
		{"close with data", kindClose, "x", "x"},
		{"unknown kind", 4, "x", "x"},
	} {
		var b bytes.Buffer
		w := testWriter(&b, Options{})
		if test.first != "" {
			if err := w.data([]byte(test.first)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.record(test.kind, []byte(test.data)); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(b.Bytes()); string(got) != test.first || !errors.Is(err, ErrBadRecord) {
			t.Errorf("%s: read %q, %v", test.name, got, err)
		}
	}
}

func TestErrorsStay(t *testing.T) {
	good := stream(t, Options{}, []byte("one"), []byte("two"))
	r := newRecordReader(bytes.NewReader(slices.Concat(good[1], good[0], good[1])), testKey())
	for range 3 {
		if _, err := r.Read(make([]byte, 9)); !errors.Is(err, ErrBadRecord) {
			t.Errorf("error = %v", err)
		}
	}
}

func TestRekeyByVolume(t *testing.T) {
	data := [][]byte{make([]byte, 60), make([]byte, 40), make([]byte, 1), make([]byte, 200), make([]byte, 1), nil}
	records := stream(t, Options{RekeyBytes: 100}, data...)
	// 60 and 40 fill the first key; 1, 200 and 1 each begin another.
	if got, want := len(records), len(data)+3; got != want {
		t.Fatalf("%d records, want %d", got, want)
	}
	got, err := readAll(slices.Concat(records...))
	if err != nil || len(got) != 302 {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	// Without the rekey record the next one, at its number, does not open.
	got, err = readAll(slices.Concat(slices.Delete(slices.Clone(records), 2, 3)...))
	if !errors.Is(err, ErrBadRecord) || len(got) != 100 {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestRekeyByTime(t *testing.T) {
	clock := time.Time{}
	var b bytes.Buffer
	w := testWriter(&b, Options{RekeyInterval: time.Minute, Now: func() time.Time { return clock }})
	for _, step := range []struct {
		after time.Duration
		rekey bool
	}{
		{time.Hour, false}, // the key was never used
		{0, true},
		{time.Minute - 1, false},
		{1, true},
		{time.Hour, true},
	} {
		clock = clock.Add(step.after)
		key, before := w.cipher.UnsafeKey(), b.Len()
		if err := w.data([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if got := w.cipher.UnsafeKey() != key; got != step.rekey {
			t.Errorf("after %v: rekey = %v", step.after, got)
		}
		if got := len(split(b.Bytes()[before:])) == 2; got != step.rekey {
			t.Errorf("after %v: rekey record = %v", step.after, got)
		}
	}
	if got, err := readAll(b.Bytes()); string(got) != "xxxxx" || err != io.ErrUnexpectedEOF {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestRecordsDoNotAllocate(t *testing.T) {
	var b bytes.Buffer
	b.Grow(1 << 20)
	w := testWriter(&b, Options{})
	r := newRecordReader(&b, testKey())
	p := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if err := w.data(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

// fuzzRecords gives the reader a stranger's bytes.
func fuzzRecords(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	good := slices.Concat(stream(f, Options{RekeyBytes: 3}, []byte("one"), []byte("two"), nil)...)
	seed(good)
	return func(t *testing.T, in []byte) {
		got, err := readAll(in)
		if !bytes.HasPrefix([]byte("onetwo"), got) {
			t.Fatalf("read %q, which nobody wrote", got)
		}
		if (err == nil) != bytes.HasPrefix(in, good) {
			t.Fatalf("read %q, %v", got, err)
		}
	}
}

// fuzzSealedRecords gives it the records of a peer that has the key and sends
// what it likes.
func fuzzSealedRecords(_ *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	seed([]byte{0, 2, kindData, 'x', 0, 1, kindRekey, 0, 1, kindClose})
	return func(t *testing.T, in []byte) {
		in, text, want := sealAll(t, in)
		if got, err := readAll(in); !bytes.Equal(got, text) || !errors.Is(err, want) {
			t.Fatalf("read %q, %v, want %q, %v", got, err, text, want)
		}
	}
}

// sealAll makes a record of each length-prefixed piece of in, and says what a
// reader must make of them.
func sealAll(t *testing.T, in []byte) (out, text []byte, want error) {
	var b bytes.Buffer
	w := testWriter(&b, Options{})
	used := false
	for len(in) > 2 {
		n := min(max(int(binary.BigEndian.Uint16(in)), 1), len(in)-2)
		kind, data := in[2], in[3:2+n]
		in = in[2+n:]
		if err := w.record(kind, data); err != nil {
			t.Fatal(err)
		}
		switch {
		case kind == kindData && len(data) > 0:
			text, used = append(text, data...), true
		case kind == kindRekey && len(data) == 0 && used:
			w.cipher.Rekey()
			used = false
		case kind == kindClose && len(data) == 0:
			return b.Bytes(), text, nil
		default:
			return b.Bytes(), text, ErrBadRecord
		}
	}
	return b.Bytes(), text, io.ErrUnexpectedEOF
}
