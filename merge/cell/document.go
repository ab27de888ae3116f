package cell

import (
	"slices"

	"sqlsync/merge"
)

// document is a JSON document as a tree of paths, each of which is a register
// of its own: the last writer of a path says what is there.
//
// Objects, and arrays of objects that have ids, are containers: they exist by a
// write of their own and hold whatever is written below them. A write of
// anything else, or a removal, clears the path: nothing below it that was
// written before stands, also when a container is there again later. So
// removed keys stay removed, and two writers who make the same object concurrently have
// both their keys in it.
//
// The text is that of the latest write if that is what the tree says, so that
// nodes without concurrent writes hold the author's own bytes; else it is made
// of the tree.
type document struct {
	root   *node
	text   Value // of the latest write
	textAt merge.Version
	value  Value
}

type kind byte

const (
	removed kind = iota // nothing is there
	leaf                // a scalar, or an array without ids
	object              // keys
	list                // elements by their id
	opaque              // only at the root: a value that is no JSON container
)

func (k kind) container() bool { return k == object || k == list }

// node is one path. The zero node was never written.
type node struct {
	set   merge.Version // of the last write
	kind  kind
	raw   string // of a leaf: JSON
	other Value  // of an opaque root
	clear merge.Version
	kids  map[string]*node
	// order are the ids of a list's elements, as written last at ordered.
	order   []string
	ordered merge.Version
}

func newDocument(value Value, v merge.Version) *document {
	d := &document{root: new(node), text: value, textAt: v, value: value}
	for _, o := range wholeOps(value) {
		d.root.apply(o, v)
	}
	return d
}

func (d *document) Value() Value { return d.value }

func (d *document) Write(value Value, v merge.Version) ([]byte, bool) {
	ops := diffDocument(d.root, value)
	for _, o := range ops {
		d.root.apply(o, v)
	}
	d.text, d.textAt, d.value = value, v, value
	return appendOps(nil, ops), true
}

func (d *document) Merge(value Value, travelled []byte, v merge.Version, seen merge.Seen) (Loss, error) {
	ops := setOps(value)
	if travelled != nil {
		r := reader{b: travelled}
		if ops = r.ops(); r.bad || len(r.b) > 0 {
			return Loss{}, ErrDamaged
		}
	}
	var loss Loss
	for _, o := range ops {
		l := d.root.merge(o, v, seen)
		loss.Incoming, loss.Local = later(loss.Incoming, l.Incoming), later(loss.Local, l.Local)
	}
	d.take(value, v)
	return loss, nil
}

func (d *document) Rebase(value Value, v merge.Version) {
	for _, o := range wholeOps(value) {
		d.root.apply(o, v)
	}
	d.take(value, v)
}

// take settles the text after writes were taken.
func (d *document) take(value Value, v merge.Version) {
	if v.After(d.textAt) {
		d.text, d.textAt = value, v
	}
	if d.root.says(d.text) {
		d.value = d.text
	} else {
		d.value = d.root.render()
	}
}

// op is one write of one path.
type op struct {
	path  []string
	kind  kind
	raw   string
	other Value
	// order, if not nil, is the order of a list's elements and nothing else.
	order []string
	// clears says that a container is set in place of all that was there.
	clears bool
}

func (n *node) apply(o op, v merge.Version) {
	n.merge(o, v, func(merge.NodeID) merge.HLC { return v.HLC.Seal() })
}

// merge takes one write and says who lost by it.
func (n *node) merge(o op, v merge.Version, seen merge.Seen) (loss Loss) {
	for _, step := range o.path {
		if newer(n.clear, v) {
			return Loss{Incoming: n.clear}
		}
		if n.kids == nil {
			n.kids = make(map[string]*node)
		}
		if n.kids[step] == nil {
			n.kids[step] = new(node)
		}
		n = n.kids[step]
	}
	if o.order != nil {
		if newer(v, n.ordered) {
			n.order, n.ordered = o.order, v
		}
		return Loss{}
	}
	return n.write(o, v, seen)
}

func (n *node) write(o op, v merge.Version, seen merge.Seen) (loss Loss) {
	agrees := n.kind == o.kind && n.raw == o.raw && same(n.other, o.other)
	unseen := !n.set.IsZero() && n.set.Origin != v.Origin && n.set.HLC.Seal() > seen(n.set.Origin)
	switch {
	case newer(v, n.set):
		if unseen && !agrees && !n.set.HLC.Baseline() {
			loss.Local = n.set
		}
		n.set, n.kind, n.raw, n.other = v, o.kind, o.raw, o.other
	case v != n.set && !agrees && !v.HLC.Baseline():
		loss.Incoming = n.set
	}
	if (!o.kind.container() || o.clears) && newer(v, n.clear) {
		loss.Local = later(loss.Local, n.wipe(v, seen))
		n.clear = v
	}
	return loss
}

// wipe drops what is below n and older than v. It returns the latest of it that
// the author of v had not seen.
func (n *node) wipe(v merge.Version, seen merge.Seen) (lost merge.Version) {
	for key, kid := range n.kids {
		lost = later(lost, kid.wipe(v, seen))
		if newer(v, kid.set) {
			if kid.kind != removed && kid.set.Origin != v.Origin && !kid.set.HLC.Baseline() && kid.set.HLC > seen(kid.set.Origin) {
				lost = later(lost, kid.set)
			}
			kid.set, kid.kind, kid.raw = merge.Version{}, removed, ""
		}
		if newer(v, kid.clear) {
			kid.clear = merge.Version{}
		}
		if newer(v, kid.ordered) {
			kid.order, kid.ordered = nil, merge.Version{}
		}
		if kid.set.IsZero() && kid.clear.IsZero() && kid.ordered.IsZero() && len(kid.kids) == 0 {
			delete(n.kids, key)
		}
	}
	return lost
}

// there reports whether the node stands, its parent standing.
func (n *node) there(clear merge.Version) bool {
	return n != nil && !n.set.IsZero() && n.kind != removed && !newer(clear, n.set)
}

// elements are the ids of a list's elements that stand, in order: those that
// the last order names, then the others by when they were written.
func (n *node) elements(clear merge.Version) []string {
	var ids []string
	for _, id := range n.order {
		if n.kids[id].there(clear) {
			ids = append(ids, id)
		}
	}
	named := len(ids)
	for id, kid := range n.kids {
		if kid.there(clear) && !slices.Contains(ids[:named], id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids[named:], func(a, b string) int {
		if c := n.kids[a].set.Compare(n.kids[b].set); c != 0 {
			return c
		}
		if a < b {
			return -1
		}
		return 1
	})
	return ids
}

// newer reports whether a is a write and b none or an older one. The versions
// of baselines are below zero, so that none must not be compared.
func newer(a, b merge.Version) bool { return !a.IsZero() && (b.IsZero() || a.After(b)) }

func later(a, b merge.Version) merge.Version {
	if newer(b, a) {
		return b
	}
	return a
}
