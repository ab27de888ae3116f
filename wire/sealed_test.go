package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sqlsync/merge"
)

// What no one would open is not sealed.
func TestSealRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Batch){
		"no dataset":      func(b *Batch) { b.Header.Dataset = "" },
		"long dataset":    func(b *Batch) { b.Header.Dataset = strings.Repeat("x", maxName+1) },
		"no number":       func(b *Batch) { b.Header.Seq = 0 },
		"no time":         func(b *Batch) { b.Header.First = 0 },
		"time backwards":  func(b *Batch) { b.Header.Last = b.Header.First - 1 },
		"seen below 0":    func(b *Batch) { b.Header.Seen[0].HLC = -1 },
		"many origins":    func(b *Batch) { b.Header.Seen = make([]Horizon, maxHorizons+1) },
		"many tables":     func(b *Batch) { b.Sections = make([]Section, maxSections+1) },
		"before first":    func(b *Batch) { b.Header.First++ },
		"after last":      func(b *Batch) { b.Header.Last-- },
		"long table":      func(b *Batch) { b.Sections[0].Table = strings.Repeat("x", maxName+1) },
		"long column":     func(b *Batch) { b.Sections[0].Columns[0] = strings.Repeat("x", maxName+1) },
		"many columns":    func(b *Batch) { b.Sections[0].Columns = make([]string, maxColumns+1) },
		"key too short":   func(b *Batch) { b.Sections[1].Changes[0].Key = nil },
		"values missing":  func(b *Batch) { b.Sections[0].Changes[0].Values = nil },
		"delete's values": func(b *Batch) { b.Sections[0].Changes[3].Values = []Value{nil} },
		"operation":       func(b *Batch) { b.Sections[0].Changes[0].Op = 9 },
		"equal times":     func(b *Batch) { b.Sections[0].Changes[1].HLC = 100 },
		"no such column":  func(b *Batch) { b.Sections[0].Changes[2].Columns[0] = 2 },
		"column below 0":  func(b *Batch) { b.Sections[0].Changes[2].Columns[0] = -1 },
		"column twice": func(b *Batch) {
			c := &b.Sections[0].Changes[2]
			c.Columns, c.Values = []int{1, 1}, []Value{nil, nil}
		},
		"many changes": func(b *Batch) {
			b.Header.Last = 1 << 30
			for i := range 1<<20 + 1 {
				b.Sections[0].Changes = append(b.Sections[0].Changes, Change{Op: merge.Delete, HLC: merge.HLC(200 + i), Key: []Value{nil}})
			}
		},
	} {
		b := small()
		spoil(b)
		if _, err := Seal(b, sign); err == nil || !strings.HasPrefix(err.Error(), "encode batch: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Seal(small(), func(Hash) []byte { return nil }); err == nil {
		t.Error("sealed without a signature")
	}
}

// Vectors have one order in a head, whatever the caller's.
func TestSeenIsInOrder(t *testing.T) {
	b := small()
	b.Header.Seen = []Horizon{{Origin: [8]byte{2}, HLC: 1}, {Origin: [8]byte{1}, HLC: 2}}
	s := seal(t, b)
	h, _, err := s.Header()
	if err != nil || h.Seen[0].HLC != 2 || s.Verify(check) != nil {
		t.Errorf("%+v, %v, %v", h.Seen, err, s.Verify(check))
	}
	if b.Header.Seen[0].HLC != 1 {
		t.Error("the caller's vector was put in order")
	}
	// The same head with its entries changed about, signed as it is.
	one, two := []byte{1, 0, 0, 0, 0, 0, 0, 0, 2}, []byte{2, 0, 0, 0, 0, 0, 0, 0, 1}
	s.Head = bytes.Replace(s.Head, append(bytes.Clone(one), two...), append(bytes.Clone(two), one...), 1)
	s.Signature = sign(s.Hash())
	if err := s.Verify(check); !errors.Is(err, ErrInvalid) {
		t.Errorf("out of order: %v", err)
	}
}

func TestSectionsThatAreNotThere(t *testing.T) {
	whole := seal(t, small())
	left, err := whole.Without(func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	short := &Sealed{Head: whole.Head, Signature: whole.Signature, Sections: whole.Sections[:1]}
	for name, try := range map[string]func() error{
		"below":    func() error { _, err := whole.OpenSection(-1, Limits{}); return err },
		"above":    func() error { _, err := whole.OpenSection(2, Limits{}); return err },
		"left out": func() error { _, err := left.OpenSection(0, Limits{}); return err },
		"too few":  func() error { _, err := short.OpenSection(1, Limits{}); return err },
		"no head":  func() error { _, err := new(Sealed).OpenSection(0, Limits{}); return err },
		"verify":   func() error { return short.Verify(check) },
	} {
		if err := try(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := left.Open(Limits{}); err != nil || len(b.Sections) != 0 {
		t.Errorf("%+v, %v", b, err)
	}
}

// A section says of itself what the directory says, or is refused.
func TestSectionsThatTheDirectoryDoesNotKnow(t *testing.T) {
	for name, spoil := range map[string]func(h *Header, d *SectionHead){
		"fewer changes": func(_ *Header, d *SectionHead) { d.Changes-- },
		"more changes":  func(_ *Header, d *SectionHead) { d.Changes++ },
		"smaller":       func(_ *Header, d *SectionHead) { d.Size-- },
		"larger":        func(_ *Header, d *SectionHead) { d.Size++ },
		"begins later":  func(h *Header, _ *SectionHead) { h.First++ },
		"ends earlier":  func(h *Header, _ *SectionHead) { h.Last = 102 },
		"huge":          func(_ *Header, d *SectionHead) { d.Size = 1<<31 - 1 },
	} {
		s := seal(t, small())
		h, dir, err := s.Header()
		if err != nil {
			t.Fatal(err)
		}
		spoil(&h, &dir[0])
		s.Head = appendHead(nil, &h, dir)
		if s.Signature = sign(s.Hash()); s.Verify(check) != nil {
			t.Fatalf("%s: %v", name, s.Verify(check))
		}
		if _, err := s.OpenSection(0, Limits{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
