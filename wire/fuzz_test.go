package wire

import (
	"bytes"
	"testing"

	"sqlsync/merge"
)

// FuzzBatch reads batches: whole, their heads, and what a member of a private
// dataset may have encrypted.
func FuzzBatch(f *testing.F) {
	s, err := Seal(small(), sign)
	if err != nil {
		f.Fatal(err)
	}
	const sealed, head, private = 0, 1, 2
	f.Add(byte(sealed), s.Append(nil))
	f.Add(byte(head), s.Head)
	text, tryPrivate := fuzzPrivate(f)
	f.Add(byte(private), text)
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		switch which % 3 {
		case sealed:
			trySealed(t, b)
		case head:
			h, dir, err := decodeHead(b)
			if err == nil && sameHead(b, &h, dir) != bytes.Equal(appendHead(nil, &h, dir), b) {
				t.Fatal("sameHead is wrong")
			}
		case private:
			tryPrivate(t, b)
		}
	})
}

func trySealed(t *testing.T, b []byte) {
	s, err := ParseSealed(b)
	if err != nil {
		return
	}
	if !bytes.Equal(s.Append(nil), b) {
		t.Fatal("encoded again, the bytes differ")
	}
	s.Verify(func(merge.NodeID, Hash, []byte) bool { return true })
	s.Open(Limits{MaxSection: 1 << 20})
}

// FuzzSection reads what is in a batch: sections, rows, and the frames that a
// section comes in, of so many bytes as the first three say.
func FuzzSection(f *testing.F) {
	b := small()
	const section, row, frame = 0, 1, 2
	for i := range b.Sections {
		f.Add(byte(section), appendSection(nil, &b.Sections[i]))
	}
	sparse := wide(9, 4)
	f.Add(byte(section), appendSection(nil, &sparse))
	f.Add(byte(row), AppendRow(nil, []Value{nil, int64(1), -1.5, "text", []byte("blob")}))
	for text, size := range map[string]int{"some text, some text, some text": 31, string(make([]byte, 1<<20)): 1000, "": 0} {
		f.Add(byte(frame), append([]byte{byte(size >> 16), byte(size >> 8), byte(size)}, compress([]byte(text))...))
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		switch which % 3 {
		case section:
			s, err := decodeSection(b, Limits{MaxCells: 1 << 16}.withDefaults())
			if err == nil && !bytes.Equal(appendSection(nil, s), b) {
				t.Fatal("encoded again, the bytes differ")
			}
		case row:
			if row, err := DecodeRow(b); err == nil && !bytes.Equal(AppendRow(nil, row), b) {
				t.Fatal("encoded again, the bytes differ")
			}
		case frame:
			if len(b) < 3 {
				return
			}
			size := (int(b[0])<<16 | int(b[1])<<8 | int(b[2])) & (1<<20 - 1)
			if out, err := decompress(b[3:], size); err == nil && len(out) != size {
				t.Fatalf("%d bytes for %d", len(out), size)
			}
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
