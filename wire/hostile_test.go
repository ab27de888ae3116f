package wire

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
)

// A sealed batch of which any bit has changed is refused.
func TestEveryFlippedBitIsFound(t *testing.T) {
	whole := seal(t, small()).Append(nil)
	if s, err := ParseSealed(whole); err != nil || s.Verify(check) != nil {
		t.Fatalf("the batch itself is refused: %v", err)
	}
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			s, err := ParseSealed(b)
			if err == nil {
				err = s.Verify(check)
			}
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	for cut := range whole {
		if _, err := ParseSealed(whole[:cut]); !errors.Is(err, ErrInvalid) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// What is left out can still be verified, and is not decoded.
func TestWithout(t *testing.T) {
	s, err := seal(t, small()).Without(func(table string) bool { return table == "no cells" })
	if err != nil || s.Verify(check) != nil {
		t.Fatalf("%v, %v", err, s.Verify(check))
	}
	b, err := s.Open(Limits{})
	if err != nil || len(b.Sections) != 1 || b.Sections[0].Table != "no cells" || s.Hash() != seal(t, small()).Hash() {
		t.Errorf("%+v, %v", b, err)
	}
}

// Few bytes that claim much cost little before they are refused.
func TestBombs(t *testing.T) {
	huge := appendStrings(appendStrings(nil, []string{"k"}), []string{"c"})
	huge = append(huge, 0xff, 0xff, 0xff, 0xff, 0x0f) // 4 billion changes
	zeros := make([]byte, 64<<20)
	for name, try := range map[string]func() error{
		"changes": func() error { _, err := decodeSection(huge, Limits{}.withDefaults()); return err },
		"zstd":    func() error { _, err := decompress(compress(zeros), 1000); return errorOr(err) },
		"claim":   func() error { _, err := decompress(compress(zeros[:1000]), 1<<30); return errorOr(err) },
		"row":     func() error { _, err := DecodeRow([]byte{0xff, 0xff, 0xff, 0x7f, 0}); return err },
		"text":    func() error { _, err := DecodeRow([]byte{1, tagText, 0xff, 0xff, 0xff, 0x7f, 'a'}); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := try()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 80<<20 { // 64 MB of it is the test's own
			t.Errorf("%s: allocated %d bytes", name, n)
		}
	}
}

func errorOr(err error) error {
	if errors.Is(err, errSize) {
		return ErrInvalid
	}
	return err
}

// Sections that come from different peers make the batch whole again.
func TestFill(t *testing.T) {
	whole := seal(t, small())
	part := func(table string) *Sealed {
		s, err := whole.Without(func(name string) bool { return name == table })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := part("items"), part("no cells")
	if left, err := a.LeftOut(); err != nil || len(left) != len(whole.Sections)-1 || a.Whole() {
		t.Fatalf("left out %v, %v", left, err)
	}
	got, places := a.Fill(b)
	if len(places) != 1 || !got.Whole() || got.Verify(check) != nil || a.Whole() {
		t.Errorf("filled %v, whole %v", places, got.Whole())
	}
	if _, places := got.Fill(whole); len(places) != 0 {
		t.Errorf("filled again: %v", places)
	}
}
