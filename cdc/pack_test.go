package cdc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawPack draws rows as they may be: neighbours and not, of one birth and of many.
func drawPack(t *rapid.T) pack {
	n := rapid.IntRange(1, 3*packRows).Draw(t, "rows")
	r := packedRow{
		key:    rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Just(int64(math.MinInt64)), rapid.Int64()).Draw(t, "first"),
		birth:  rapid.Int64().Draw(t, "birth"),
		origin: rapid.Int64Range(1, 4).Draw(t, "origin"),
	}
	width := rapid.SampledFrom([]int{0, 6, 30, 600, 3000}).Draw(t, "width")
	step, jumps := rapid.Int64Range(-1, 1).Draw(t, "step"), rapid.IntRange(0, 3).Draw(t, "jumps")
	var p pack
	for i := range n {
		r.hashes = make(hashes, width)
		for at := 0; at < width; at += 6 {
			putHash(r.hashes[at:], uint64(i*7+at))
		}
		p = append(p, r)
		gap := int64(1)
		if jumps > 0 && rapid.IntRange(0, 9).Draw(t, "jump") < jumps {
			gap = rapid.OneOf(rapid.Int64Range(1, 9), rapid.Int64Range(1, math.MaxInt64)).Draw(t, "gap")
			r.birth = rapid.OneOf(rapid.Int64(), rapid.Just(r.birth+1<<16)).Draw(t, "birth")
			r.origin = rapid.Int64Range(1, 4).Draw(t, "origin")
		} else {
			r.birth += step
		}
		if r.key > math.MaxInt64-gap {
			break
		}
		r.key += gap
	}
	return p
}

func equalPacks(a, b pack) bool {
	return slices.EqualFunc(a, b, func(a, b packedRow) bool {
		return a.key == b.key && a.birth == b.birth && a.origin == b.origin && bytes.Equal(a.hashes, b.hashes)
	})
}

// What is cut up and laid out is read back the same, and of the size that was meant.
func TestPacksAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawPack(t)
		var all pack
		for _, p := range cutUp(rows) {
			layout, body := p.layout(), p.body()
			if len(p) > packRows || len(p) > 1 && len(layout)+len(body) > packBytes {
				t.Fatalf("a pack of %d rows has %d and %d bytes", len(p), len(layout), len(body))
			}
			got, err := readPack(p.first(), p.last(), p[0].birth, p[0].origin, layout, body)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got...)
		}
		if !equalPacks(all, rows) {
			t.Fatalf("wrote %v, read %v", rows, all)
		}
	})
}

// A row of a table with an ordinary key takes no more than its hashes.
func TestPacksAreSmall(t *testing.T) {
	var rows pack
	for i := range int64(2000) {
		rows = append(rows, packedRow{i, 1<<40 + i, 1, make(hashes, 30)})
	}
	for _, p := range cutUp(rows[:1950]) {
		if len(p) != 25 || len(p.layout()) > 6 {
			t.Fatalf("%d rows in a pack, layout %x", len(p), p.layout())
		}
	}
}

// Whatever bytes a record has, it is a pack with ascending keys or an error.
func FuzzPack(f *testing.F) {
	for _, p := range []pack{
		{{1, 5, 1, hashes("abcdef")}, {2, 6, 1, hashes("ghijkl")}},
		{{-7, -1, 2, nil}, {9, -2, 1, nil}, {10, -2, 1, nil}, {math.MaxInt64, 4, 3, nil}},
	} {
		f.Add(p.first(), p.last(), p[0].birth, p[0].origin, p.layout(), p.body())
	}
	f.Add(int64(1), int64(4), int64(1), int64(1), binary.AppendUvarint(nil, 1<<40), []byte{})
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), int64(1), int64(1), []byte{2, 2, 2, 0}, []byte{})
	f.Fuzz(func(t *testing.T, first, last, birth, origin int64, layout, body []byte) {
		p, err := readPack(first, last, birth, origin, layout, body)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		if p.first() != first || p.last() != last || p[0].birth != birth || p[0].origin != origin || !bytes.Equal(p.body(), body) {
			t.Fatalf("read %v", p)
		}
		for i := range p[1:] {
			if p[i].key >= p[i+1].key {
				t.Fatalf("key %d before %d", p[i].key, p[i+1].key)
			}
		}
		again, err := readPack(first, last, birth, origin, p.layout(), body)
		if err != nil || !equalPacks(again, p) {
			t.Fatalf("%v was read again as %v, %v", p, again, err)
		}
	})
}
