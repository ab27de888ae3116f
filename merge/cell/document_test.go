package cell

import (
	"testing"

	"pgregory.net/rapid"

	"sqlsync/merge"
)

// Two nodes write concurrently, the second one later.
func TestDocumentsMergeByPath(t *testing.T) {
	for _, c := range []struct{ name, base, first, second, want string }{
		{"disjoint keys", `{"a":1,"b":2}`, `{"a":10,"b":2}`, `{"a":1,"b":20}`, `{"a":10,"b":20}`},
		{"one path", `{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":3}`},
		{"below a path", `{"p":{"x":1,"y":1}}`, `{"p":{"x":2,"y":1}}`, `{"p":{"x":1,"y":2}}`, `{"p":{"x":2,"y":2}}`},
		{"added on both sides", `{}`, `{"a":{"x":1}}`, `{"a":{"y":2}}`, `{"a":{"x":1,"y":2}}`},
		{"a removed key stays removed", `{"a":1,"b":2}`, `{"b":2}`, `{"a":1,"b":3}`, `{"b":3}`},
		{"removed against changed below", `{"a":{"x":1},"b":1}`, `{"b":1}`, `{"a":{"x":2},"b":1}`, `{"b":1}`},
		{"null is a value", `{"a":1,"b":1}`, `{"a":null,"b":1}`, `{"a":1,"b":2}`, `{"a":null,"b":2}`},
		{"arrays without ids are whole", `{"t":[1,2]}`, `{"t":[1,2,3]}`, `{"t":[0,1,2]}`, `{"t":[0,1,2]}`},
		{"arrays by id", `[{"id":1,"n":1},{"id":2,"n":1}]`, `[{"id":1,"n":5},{"id":2,"n":1}]`, `[{"id":1,"n":1},{"id":2,"n":1},{"id":3,"n":1}]`,
			`[{"id":1,"n":5},{"id":2,"n":1},{"id":3,"n":1}]`},
		{"the last element removed, another added", `[{"id":1}]`, `[]`, `[{"id":1},{"id":"x"}]`, `[{"id":"x"}]`},
		{"no JSON is a cell", `{"a":1}`, `{"a":2}`, `gone`, `gone`},
		{"no JSON is a cell, also against a later document", `{"y":1,"z":1}`, `broken`, `{"y":1,"z":2}`, `{"y":1,"z":2}`},
		{"an array is a cell", `{"z":1}`, `[]`, `{"z":2}`, `{"z":2}`},
		{"JSON over no JSON", `text`, `{"a":1}`, `{"b":1}`, `{"a":1,"b":1}`},
		{"an object over a scalar", `{"a":1}`, `{"a":2}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{"numbers keep their digits", `{"a":1}`, `{"a":1,"b":12345678901234567890.10}`, `{"a":2}`, `{"a":2,"b":12345678901234567890.10}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(policies["json"], 2, c.base, merge.Version{HLC: 1 << 20, Origin: nodeID(0)})
			h.write(0, c.first)
			h.nodes[1].clock.Last += 100
			h.write(1, c.second)
			h.deliver(0, 1)
			h.deliver(1, 0)
			for n, r := range h.nodes {
				if got := r.state.Value(); got != c.want {
					t.Errorf("node %d has %v, want %s", n, got, c.want)
				}
			}
		})
	}
}

// Where nobody else wrote, the author's text stands to the byte.
func TestTextOfTheAuthorStands(t *testing.T) {
	h := newHistory(policies["json"], 2, `{"b": 1,  "a":2}`, merge.Version{HLC: 1 << 20, Origin: nodeID(0)})
	for _, text := range []string{`{ "b":1, "a":[ ] }`, `{"b":1,"a":[]}`, "[1,\n2]", `{"é":"é"}`} {
		h.write(0, text)
		h.deliver(1, len(h.writes)-1)
		if got := h.nodes[1].state.Value(); got != text {
			t.Errorf("%s arrives as %v", text, got)
		}
	}
}

func TestLossesAreTold(t *testing.T) {
	birth := merge.Version{HLC: 1 << 20, Origin: nodeID(0)}
	for _, c := range []struct {
		policy              string
		base, first, second Value
		incoming, local     bool
	}{
		{"json", `{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"a":1,"b":2}`, false, false},
		{"json", `{"a":1}`, `{"a":2}`, `{"a":3}`, false, true},
		{"json", `{"a":1}`, `{"a":2}`, `{"a":2}`, false, false},
		{"json", `{"a":{"x":1}}`, `{"a":{"x":2}}`, `{}`, false, true},
		{"json", `{"a":{"x":1}}`, `{}`, `{"a":{"x":2}}`, true, false},
		{"json", `{"z":1}`, `broken`, `{"z":2}`, false, true},
		{"json", `{"z":1}`, `{"z":2}`, nil, false, true},
		{"json", `[{"id":1,"n":1}]`, `{}`, `[{"id":1,"n":2}]`, true, false},
		{"counter", int64(1), int64(5), "none", false, true},
		{"counter", int64(1), int64(5), int64(3), false, false},
		{"sql", "a", "bbb", "cc", true, false},
		{"sql", "a", "bb", "ccc", false, true},
	} {
		h := newHistory(policies[c.policy], 2, c.base, birth)
		h.write(0, c.first)
		h.nodes[1].clock.Last += 100
		h.write(1, c.second)
		w := h.writes[1]
		got, err := h.nodes[0].state.Merge(w.value, w.travelled, w.v, func(merge.NodeID) merge.HLC { return birth.HLC })
		if err != nil || got.Incoming.IsZero() == c.incoming || got.Local.IsZero() == c.local {
			t.Errorf("%s: %v and %v: %+v, %v; want incoming %v, local %v", c.policy, c.first, c.second, got, err, c.incoming, c.local)
		}
	}
}

// Whatever a peer sends, nothing panics, and what is taken can be stored.
func FuzzHostile(f *testing.F) {
	h := newHistory(policies["json"], 1, `{"a":[{"id":1}]}`, merge.Version{HLC: 1 << 20, Origin: nodeID(0)})
	h.write(0, `{"a":[{"id":2,"x":{}}],"b":null}`)
	f.Add(byte(2), h.writes[0].travelled, h.nodes[0].state.Append(nil))
	f.Fuzz(func(t *testing.T, k byte, travelled, state []byte) {
		p := Policy{Kind: Kind(1 + k%5), Eval: longer}
		s, err := p.Decode(state)
		if err != nil {
			s = p.New(`{"a":1}`, merge.Version{HLC: 5, Origin: nodeID(0)})
		}
		s.Merge(`{"a":2}`, travelled, merge.Version{HLC: 9, Origin: nodeID(1)}, func(merge.NodeID) merge.HLC { return 0 })
		if _, err := p.Decode(s.Append(nil)); err != nil {
			t.Fatalf("stored state does not read: %v", err)
		}
	})
}

func TestOrderOfValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := scalars.Draw(t, "a"), scalars.Draw(t, "b"), scalars.Draw(t, "c")
		if Compare(a, b) != -Compare(b, a) {
			t.Fatal("not antisymmetric")
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatal("not transitive")
		}
	})
}
