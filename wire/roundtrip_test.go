package wire

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"sqlsync/merge"
)

var values = rapid.OneOf(
	rapid.Just[Value](nil),
	rapid.Map(rapid.Int64(), func(v int64) Value { return v }),
	rapid.Map(rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}), func(v int64) Value { return v }),
	rapid.Map(rapid.Float64(), func(v float64) Value { return v }),
	rapid.Map(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 5e-324}), func(v float64) Value { return v }),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(v []byte) Value { return string(v) }),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(v []byte) Value { return v }),
)

func same(a, b Value) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	}
	return a == b
}

func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SliceOf(values).Draw(t, "row")
		b := AppendRow(nil, row)
		got, err := DecodeRow(b)
		if err != nil || len(got) != len(row) {
			t.Fatalf("%v, %v", got, err)
		}
		for i := range row {
			if !same(row[i], got[i]) {
				t.Fatalf("value %d: %#v, want %#v", i, got[i], row[i])
			}
		}
		if !bytes.Equal(AppendRow(nil, got), b) {
			t.Fatal("encoded again, the bytes differ")
		}
	})
}

func drawSection(t *rapid.T) Section {
	s := Section{Table: "t"}
	for i := range rapid.IntRange(1, 3).Draw(t, "key") {
		s.Key = append(s.Key, string(rune('a'+i)))
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "columns") {
		s.Columns = append(s.Columns, string(rune('m'+i)))
	}
	hlc := merge.HLC(0)
	for range rapid.IntRange(1, 20).Draw(t, "changes") {
		hlc += merge.HLC(rapid.IntRange(1, 1<<20).Draw(t, "step"))
		c := Change{HLC: hlc, Op: rapid.SampledFrom([]merge.Op{merge.Insert, merge.Update, merge.Delete}).Draw(t, "op")}
		for range s.Key {
			c.Key = append(c.Key, values.Draw(t, "key value"))
		}
		n := len(s.Columns)
		switch c.Op {
		case merge.Insert:
			c.Baseline = rapid.Bool().Draw(t, "baseline")
		case merge.Delete:
			n = 0
		case merge.Update:
			for col := range s.Columns {
				if rapid.Bool().Draw(t, "set") {
					c.Columns = append(c.Columns, col)
				}
			}
			n = len(c.Columns)
		}
		if c.Op != merge.Insert {
			c.Birth = merge.Version{HLC: merge.HLC(rapid.Int64().Draw(t, "birth")), Origin: merge.NodeID{byte(rapid.IntRange(0, 3).Draw(t, "origin"))}}
		}
		for range n {
			c.Values = append(c.Values, values.Draw(t, "value"))
		}
		s.Changes = append(s.Changes, c)
	}
	return s
}

func TestSectionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSection(t)
		b := appendSection(nil, &s)
		got, err := decodeSection(b, Limits{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Changes {
			a, g := &s.Changes[i], &got.Changes[i]
			if a.Op != g.Op || a.Baseline != g.Baseline || a.HLC != g.HLC || a.Birth != g.Birth || len(a.Values) != len(g.Values) || len(a.Columns) != len(g.Columns) {
				t.Fatalf("change %d is %+v, want %+v", i, g, a)
			}
			for j := range a.Values {
				if !same(a.Values[j], g.Values[j]) {
					t.Fatalf("change %d, value %d: %#v, want %#v", i, j, g.Values[j], a.Values[j])
				}
			}
			for j := range a.Key {
				if !same(a.Key[j], g.Key[j]) {
					t.Fatalf("change %d, key: %#v, want %#v", i, g.Key, a.Key)
				}
			}
		}
		if !bytes.Equal(appendSection(nil, got), b) {
			t.Fatal("encoded again, the bytes differ")
		}
	})
}
