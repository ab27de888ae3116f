package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"sqlsync/merge"
)

func frames(t testing.TB, m ...Message) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	for _, m := range m {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// Bytes that came from a message make the same message, whose bytes are the
// same again.
func TestMessagesHaveOneForm(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Just("\xff\x00"))
	texts := rapid.SliceOfN(text, 0, 3)
	settings := rapid.MapOfN(text, text, 0, 4)
	vector := rapid.Custom(func(t *rapid.T) merge.Vector {
		v := merge.Vector{}
		for range rapid.IntRange(0, 4).Draw(t, "origins") {
			v[merge.NodeID{byte(rapid.IntRange(0, 9).Draw(t, "origin"))}] = merge.Position{
				Seq: rapid.Uint64().Draw(t, "seq"), HLC: merge.HLC(rapid.Int64Min(0).Draw(t, "hlc")),
			}
		}
		return v
	})
	arrivals := rapid.Custom(func(t *rapid.T) (a Arrivals) {
		for range rapid.IntRange(0, 3).Draw(t, "authors") {
			if a == nil {
				a = make(Arrivals)
			}
			a[merge.NodeID{rapid.Byte().Draw(t, "author")}] = merge.HLC(rapid.Int64Min(1).Draw(t, "at"))
		}
		return a
	})
	renamed := rapid.Custom(func(t *rapid.T) (list []RenamedColumn) {
		for i := range rapid.IntRange(0, 2).Draw(t, "renamed") {
			list = append(list, RenamedColumn{Was: fmt.Sprint(i), Is: text.Draw(t, "is")})
		}
		return list
	})
	rapid.Check(t, func(t *rapid.T) {
		var m Message
		switch rapid.IntRange(0, 5).Draw(t, "type") {
		case 0:
			m = &Hello{
				MinProtocol: rapid.Uint32().Draw(t, "min"), MaxProtocol: rapid.Uint32().Draw(t, "max"), Software: text.Draw(t, "software"),
				Dataset: text.Draw(t, "dataset"), Pull: rapid.Bool().Draw(t, "pull"), Push: rapid.Bool().Draw(t, "push"),
				Vector: vector.Draw(t, "vector"), Tables: []TableOffer{{text.Draw(t, "name"), text.Draw(t, "policy"), text.Draw(t, "fingerprint"), text.Draw(t, "shape"), arrivals.Draw(t, "arrivals"), renamed.Draw(t, "renamed")}},
				Now: merge.HLC(rapid.Int64Min(0).Draw(t, "now")),
			}
			if rapid.Bool().Draw(t, "narrow") {
				wants := slices.Concat([]string{}, texts.Draw(t, "wants")) // none is not nil
				slices.Sort(wants)
				m.(*Hello).Wants, m.(*Hello).Held = slices.Compact(wants), vector.Draw(t, "held")
			}
			if rapid.Bool().Draw(t, "private") {
				m.(*Hello).Proof = &Proof{rapid.Byte().Draw(t, "proof")}
			}
			if rapid.Bool().Draw(t, "moved") {
				m.(*Hello).Moved = []MovedTable{{"a", text.Draw(t, "to")}, {"b", text.Draw(t, "to")}}
			}
		case 1:
			m = &SealDone{ID: rapid.Uint64().Draw(t, "id"), Vector: vector.Draw(t, "vector")}
		case 2:
			m = &Schema{
				Tables: []TableSchema{{
					text.Draw(t, "name"), texts.Draw(t, "create"), texts.Draw(t, "triggers"), texts.Draw(t, "key"), text.Draw(t, "policy"), settings.Draw(t, "options"),
				}},
				Settings: settings.Draw(t, "settings"), Datasets: texts.Draw(t, "datasets"),
			}
		case 3:
			m = &Bye{Code: text.Draw(t, "code"), Text: text.Draw(t, "text")}
		case 5:
			m = &Offers{Tables: []TableOffer{{Name: "a"}, {Name: text.Draw(t, "name"), Arrivals: arrivals.Draw(t, "arrivals")}, {Name: "z", Arrivals: arrivals.Draw(t, "more"), Renamed: renamed.Draw(t, "renamed")}}}
		case 4:
			m = &Batches{Sealed: []*Sealed{{Head: []byte(text.Draw(t, "head")), Signature: make([]byte, signatureSize), Sections: [][]byte{nil, {}, {1}}}}}
		}
		kind, b, err := appendMessage(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeMessage(kind, b)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if _, again, _ := appendMessage(nil, got); !bytes.Equal(again, b) {
			t.Fatalf("%+v became %+v", m, got)
		}
	})
}

// A message of several frames arrives whole, however it is cut on its way, and
// what follows it too.
func TestMessagesOfManyFrames(t *testing.T) {
	long := &Schema{Tables: []TableSchema{{Name: "t", Create: []string{strings.Repeat("long ", 200_000)}}}}
	b := frames(t, long, &Ping{ID: 7})
	if n := len(b); n < 3*maxFrame || b[1] != 1 || binary.LittleEndian.Uint32(b[2:]) != maxFrame {
		t.Fatalf("%d bytes, first frame %v", n, b[:frameHeader])
	}
	for name, in := range map[string]io.Reader{
		"whole": bytes.NewReader(b), "half": iotest.HalfReader(bytes.NewReader(b)), "eof with data": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		r := NewReader(in, Limits{})
		m, err := r.Read()
		if err != nil || m.(*Schema).Tables[0].Create[0] != long.Tables[0].Create[0] {
			t.Fatalf("%s: %v", name, err)
		}
		if m, err = r.Read(); err != nil || m.(*Ping).ID != 7 {
			t.Fatalf("%s: %v, %v", name, m, err)
		}
		if _, err = r.Read(); err != io.EOF {
			t.Fatalf("%s: %v, want io.EOF", name, err)
		}
	}
	for _, cut := range []int{1, frameHeader, frameHeader + 1, frameHeader + maxFrame, 2 * maxFrame} {
		if _, err := NewReader(bytes.NewReader(b[:cut]), Limits{}).Read(); err != io.ErrUnexpectedEOF {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if _, err := NewReader(bytes.NewReader(b), Limits{MaxMessage: maxFrame}).Read(); !errors.Is(err, ErrInvalid) {
		t.Errorf("beyond MaxMessage: %v", err)
	}
	broken := errors.New("broken")
	if _, err := NewReader(io.MultiReader(bytes.NewReader(b[:9]), iotest.ErrReader(broken)), Limits{}).Read(); !errors.Is(err, broken) {
		t.Errorf("a connection that breaks: %v", err)
	}
}

// What a later version adds to Hello is passed over.
func TestHelloOfALaterVersion(t *testing.T) {
	_, body, err := appendMessage(nil, messages()["hello"])
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		more []byte
		ok   bool
	}{
		"two fields":   {[]byte{98, 2, 'a', 'b', 99, 0}, true},
		"known":        {[]byte{1, 5, 2, 1, 'a', 1, 'b', 8, 5, 1, 1, 't', 1, 'd', 9, 0, 99, 0}, true},
		"none moved":   {[]byte{8, 1, 0}, false},
		"moved twice":  {[]byte{8, 9, 2, 1, 't', 1, 'd', 1, 't', 1, 'e'}, false},
		"flag":         {[]byte{9, 1, 1}, false},
		"unordered":    {[]byte{1, 5, 2, 1, 'b', 1, 'a'}, false},
		"twice a name": {[]byte{1, 5, 2, 1, 'a', 1, 'a'}, false},
		"long list":    {[]byte{1, 1, 2}, false},
		"left over":    {[]byte{1, 2, 0, 0}, false},
		"empty vector": {[]byte{2, 1, 0}, false},
		"out of order": {[]byte{2, 0, 1, 0}, false},
		"twice":        {[]byte{2, 0, 2, 0}, false},
		"field 0":      {[]byte{0, 0}, false},
		"cut short":    {[]byte{1, 2, 'a'}, false},
	} {
		m, err := decodeMessage(kindHello, append(bytes.Clone(body), test.more...))
		if test.ok && (err != nil || m.(*Hello).Now != 77) || !test.ok && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestMessagesOfManyStrings(t *testing.T) {
	b := append([]byte{0, 0}, appendUvarint(nil, 16<<20)...) // no table, no setting, datasets
	b = append(b, make([]byte, 16<<20)...)
	var err error
	n := cost(func() { _, err = decodeMessage(kindSchema, b) })
	if !errors.Is(err, ErrInvalid) || n > 1<<20 {
		t.Errorf("allocated %d: %v", n, err)
	}
	spread := &Schema{Tables: []TableSchema{{Create: make([]string, maxItems/2)}, {Key: make([]string, maxItems/2+1)}}}
	_, b, _ = appendMessage(nil, spread)
	if _, err := decodeMessage(kindSchema, b); !errors.Is(err, ErrInvalid) {
		t.Errorf("many strings in two lists: %v", err)
	}
}

// What no reader accepts is not written.
func TestWriteRefuses(t *testing.T) {
	var out bytes.Buffer
	if err := NewWriter(&out).Write(&Bye{Text: strings.Repeat("x", maxSmall)}); err == nil || out.Len() > 0 {
		t.Errorf("%v after %d bytes", err, out.Len())
	}
	if err := NewWriter(&out).Write(nil); err == nil || out.Len() > 0 {
		t.Errorf("%v after %d bytes", err, out.Len())
	}
}
