package cell

import (
	"encoding/binary"
	"slices"

	"sqlsync/merge"
)

// register keeps the values that were written concurrently, each until a write
// comes whose author had seen it. What stands is what the user's expression
// makes of them, taken in the order of their versions.
type register struct {
	eval func(local, remote Value, localHLC, remoteHLC merge.HLC) (Value, error)
	// base is what the cell was born with at since; whoever writes has seen it.
	base    Value
	since   merge.Version
	entries []entry // ascending by version, one per origin
	// covered is, by origin, up to where writes were seen by authors of later
	// ones: what comes again from there means nothing.
	covered []merge.Version
	value   Value
}

type entry struct {
	version merge.Version
	value   Value
}

func (g *register) Value() Value { return g.value }

func (g *register) Write(value Value, v merge.Version) ([]byte, bool) {
	for _, e := range g.entries {
		g.cover(e.version)
	}
	g.entries, g.value = []entry{{v, value}}, value
	return nil, true
}

func (g *register) Merge(value Value, _ []byte, v merge.Version, seen merge.Seen) (Loss, error) {
	if g.isCovered(v) {
		return Loss{}, nil
	}
	for _, e := range g.entries {
		if e.version.Origin == v.Origin && e.version.HLC >= v.HLC {
			return Loss{}, nil
		}
	}
	was := g.value
	var rival merge.Version
	g.entries = slices.DeleteFunc(g.entries, func(e entry) bool {
		known := e.version.Origin == v.Origin || e.version.HLC <= seen(e.version.Origin)
		if known {
			g.cover(e.version)
		} else {
			rival = e.version // the last, so the latest
		}
		return known
	})
	alone := len(g.entries) == 0
	g.insert(entry{v, value})
	if err := g.fold(); err != nil {
		return Loss{}, err
	}
	if alone {
		return Loss{}, nil
	}
	switch {
	case same(g.value, was) && !same(g.value, value):
		return Loss{Incoming: rival}, nil
	case same(g.value, value) && !same(g.value, was):
		return Loss{Local: rival}, nil
	}
	return Loss{}, nil
}

// Rebase takes the other baseline's value where that was taken first.
func (g *register) Rebase(value Value, v merge.Version) {
	if !g.since.HLC.Baseline() || !v.After(g.since) {
		return
	}
	if g.base, g.since = value, v; len(g.entries) == 0 {
		g.value = value
	}
}

func (g *register) insert(e entry) {
	i, _ := slices.BinarySearchFunc(g.entries, e.version, func(e entry, v merge.Version) int { return e.version.Compare(v) })
	g.entries = slices.Insert(g.entries, i, e)
}

func (g *register) fold() error {
	value, at := g.entries[0].value, g.entries[0].version.HLC
	for _, e := range g.entries[1:] {
		var err error
		if value, err = g.eval(value, e.value, at, e.version.HLC); err != nil {
			return err
		}
		at = e.version.HLC
	}
	g.value = value
	return nil
}

func (g *register) cover(v merge.Version) {
	i, ok := slices.BinarySearchFunc(g.covered, v.Origin, func(c merge.Version, o merge.NodeID) int { return c.Origin.Compare(o) })
	switch {
	case !ok:
		g.covered = slices.Insert(g.covered, i, v)
	case v.HLC > g.covered[i].HLC:
		g.covered[i] = v
	}
}

func (g *register) isCovered(v merge.Version) bool {
	return slices.ContainsFunc(g.covered, func(c merge.Version) bool { return c.Origin == v.Origin && c.HLC >= v.HLC })
}

func (g *register) Append(b []byte) []byte {
	b = appendVersion(appendValue(appendValue(b, g.value), g.base), g.since)
	b = binary.AppendUvarint(b, uint64(len(g.entries)))
	for _, e := range g.entries {
		b = appendValue(appendVersion(b, e.version), e.value)
	}
	for _, c := range g.covered {
		b = appendVersion(b, c)
	}
	return b
}

func (r *reader) register(eval func(local, remote Value, localHLC, remoteHLC merge.HLC) (Value, error)) *register {
	g := &register{eval: eval, value: r.value(), base: r.value(), since: r.version()}
	for n := r.count(34); n > 0 && !r.bad; n-- {
		g.entries = append(g.entries, entry{r.version(), r.value()})
	}
	for len(r.b) > 0 && !r.bad {
		g.covered = append(g.covered, r.version())
	}
	return g
}
