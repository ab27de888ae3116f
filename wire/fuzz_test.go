package wire

import (
	"bytes"
	"testing"

	"sqlsync/merge"
)

func FuzzSealed(f *testing.F) {
	s, err := Seal(small(), sign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSealed(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Append(nil), b) {
			t.Fatal("encoded again, the bytes differ")
		}
		s.Verify(func(merge.NodeID, Hash, []byte) bool { return true })
		s.Open(Limits{MaxSection: 1 << 20})
	})
}

func FuzzSection(f *testing.F) {
	b := small()
	for i := range b.Sections {
		f.Add(appendSection(nil, &b.Sections[i]))
	}
	sparse := wide(9, 4)
	f.Add(appendSection(nil, &sparse))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSection(b, Limits{MaxCells: 1 << 16}.withDefaults())
		if err == nil && !bytes.Equal(appendSection(nil, s), b) {
			t.Fatal("encoded again, the bytes differ")
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, m := range messages() {
		var buf bytes.Buffer
		NewWriter(&buf).Write(m)
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), Limits{MaxMessage: 1 << 20})
		for {
			m, err := r.Read()
			if err != nil {
				return
			}
			kind, body, err := appendMessage(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			m, err = decodeMessage(kind, body)
			if err != nil {
				t.Fatal(err)
			}
			if _, again, _ := appendMessage(nil, m); !bytes.Equal(again, body) {
				t.Fatal("encoded again, the bytes differ")
			}
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add(AppendRow(nil, []Value{nil, int64(1), -1.5, "text", []byte("blob")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if row, err := DecodeRow(b); err == nil && !bytes.Equal(AppendRow(nil, row), b) {
			t.Fatal("encoded again, the bytes differ")
		}
	})
}

func FuzzHead(f *testing.F) {
	s, err := Seal(small(), sign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Head)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, dir, err := decodeHead(b)
		if err == nil && sameHead(b, &h, dir) != bytes.Equal(appendHead(nil, &h, dir), b) {
			t.Fatal("sameHead is wrong")
		}
	})
}

func FuzzDecompress(f *testing.F) {
	f.Add(compress([]byte("some text, some text, some text")), 31)
	f.Add(compress(make([]byte, 1<<20)), 1000)
	f.Add(compress(nil), 0)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 0 || size > 1<<20 {
			return
		}
		if out, err := decompress(b, size); err == nil && len(out) != size {
			t.Fatalf("%d bytes for %d", len(out), size)
		}
	})
}
