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
// A value that is no object and no list by id is a cell like any other: it
// stands while it is later than every write of a document, and the tree is what
// the documents say, with or without it.
//
// The text is that of the latest write if that is what the tree says, so that
// nodes without concurrent writes hold the author's own bytes; else it is made
// of the tree.
type document struct {
	root     *node
	docAt    merge.Version // of the latest write of a document
	opaque   Value         // the latest value that was none
	opaqueAt merge.Version
	text     Value // of the latest write
	textAt   merge.Version
	value    Value
}

type kind byte

const (
	removed kind = iota // nothing is there
	leaf                // a scalar, or an array without ids
	object              // keys
	list                // elements by their id
	opaque              // of an op only: a value that is no document
)

func (k kind) container() bool { return k == object || k == list }

// node is one path. The zero node was never written.
type node struct {
	set   merge.Version // of the last write
	kind  kind
	raw   string // of a leaf: JSON
	clear merge.Version
	kids  map[string]*node
	// order are the ids of a list's elements, as written last at ordered.
	order   []string
	ordered merge.Version
}

func newDocument(value Value, v merge.Version) *document {
	d := &document{root: new(node), text: value, textAt: v, value: value}
	d.apply(wholeOps(value), v)
	return d
}

func (d *document) Value() Value { return d.value }

func (d *document) Write(value Value, v merge.Version) ([]byte, bool) {
	ops := d.diff(value)
	d.apply(ops, v)
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
	loss := d.merge(ops, v, seen)
	d.take(value, v)
	return loss, nil
}

func (d *document) Rebase(value Value, v merge.Version) {
	d.apply(wholeOps(value), v)
	d.take(value, v)
}

func (d *document) apply(ops []op, v merge.Version) {
	d.merge(ops, v, func(merge.NodeID) merge.HLC { return v.HLC.Seal() })
}

// merge takes what one write did.
func (d *document) merge(ops []op, v merge.Version, seen merge.Seen) (loss Loss) {
	if len(ops) == 1 && ops[0].kind == opaque {
		return d.mergeOpaque(ops[0].other, v, seen)
	}
	unseen := d.isOpaque() && unseenBy(seen, v, d.opaqueAt)
	switch {
	case unseen && newer(v, d.opaqueAt):
		loss.Local = d.opaqueAt
	case unseen && !v.HLC.Baseline():
		loss.Incoming = d.opaqueAt
	}
	d.docAt = later(d.docAt, v)
	for _, o := range ops {
		l := d.root.merge(o, v, seen)
		loss.Incoming, loss.Local = later(loss.Incoming, l.Incoming), later(loss.Local, l.Local)
	}
	return loss
}

// mergeOpaque takes a value that is no document.
func (d *document) mergeOpaque(value Value, v merge.Version, seen merge.Seen) (loss Loss) {
	stands := later(d.opaqueAt, d.docAt)
	if agrees := d.isOpaque() && same(d.opaque, value); newer(v, stands) && !agrees {
		if d.isOpaque() && unseenBy(seen, v, d.opaqueAt) {
			loss.Local = d.opaqueAt
		} else if !d.isOpaque() {
			if loss.Local = d.root.lost(true, merge.Version{}, v, seen); unseenBy(seen, v, d.docAt) {
				loss.Local = d.docAt
			}
		}
	} else if v != stands && !agrees && !v.HLC.Baseline() {
		loss.Incoming = stands
	}
	if newer(v, d.opaqueAt) {
		d.opaque, d.opaqueAt = value, v
	}
	return loss
}

// isOpaque reports whether what stands is no document.
func (d *document) isOpaque() bool { return newer(d.opaqueAt, d.docAt) }

// unseenBy reports whether the author of v had not seen a write. Baselines are
// nobody's writes.
func unseenBy(seen merge.Seen, v, write merge.Version) bool {
	return !write.IsZero() && !write.HLC.Baseline() && write.Origin != v.Origin && write.HLC > seen(write.Origin)
}

// take settles the text after writes were taken.
func (d *document) take(value Value, v merge.Version) {
	if v.After(d.textAt) {
		d.text, d.textAt = value, v
	}
	d.settle()
}

func (d *document) settle() {
	switch {
	case d.isOpaque():
		d.value = d.opaque
	case !d.root.kind.container(), d.root.says(d.text):
		d.value = d.text
	default:
		d.value = encode(d.root.plain(merge.Version{}))
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

// merge takes one write and says who lost by it. Below a path that is no
// container any more a write is kept and does not show.
func (n *node) merge(o op, v merge.Version, seen merge.Seen) (loss Loss) {
	shows, clear := true, merge.Version{}
	says := o.kind != removed && o.order == nil // a value, which can be lost
	for _, step := range o.path {
		if newer(n.clear, v) {
			if says {
				loss.Incoming = n.clear
			}
			return loss
		}
		clear = later(clear, n.clear)
		if shows = shows && n.kind.container(); !shows && says {
			loss.Incoming = later(loss.Incoming, later(n.set, clear))
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
	l := n.write(o, v, seen)
	return Loss{Incoming: later(loss.Incoming, l.Incoming), Local: l.Local}
}

func (n *node) write(o op, v merge.Version, seen merge.Seen) (loss Loss) {
	agrees := n.kind == o.kind && n.raw == o.raw
	stands := newer(v, n.set)
	switch {
	case stands:
		if !agrees && unseenBy(seen, v, n.set) {
			loss.Local = n.set
		}
		n.set, n.kind, n.raw = v, o.kind, o.raw
	case v != n.set && !agrees && !v.HLC.Baseline():
		loss.Incoming = n.set
	}
	if (!o.kind.container() || o.clears) && newer(v, n.clear) {
		loss.Local = later(loss.Local, n.wipe(v, seen))
		n.clear = v
		if stands {
			for _, kid := range n.kids {
				loss.Local = later(loss.Local, kid.lost(!n.kind.container(), v, v, seen))
			}
		}
	}
	return loss
}

// lost returns the latest of what was written at n and below, unseen by the
// author of v, and does not show: nothing of it if hidden, else what is below a
// path that is no container.
func (n *node) lost(hidden bool, clear, v merge.Version, seen merge.Seen) (lost merge.Version) {
	if hidden && n.kind != removed && unseenBy(seen, v, n.set) {
		lost = n.set
	}
	for _, kid := range n.kids {
		lost = later(lost, kid.lost(hidden || !n.there(clear) || !n.kind.container(), later(clear, n.clear), v, seen))
	}
	return lost
}

// wipe drops what is below n and older than v. It returns the latest of it that
// the author of v had not seen.
func (n *node) wipe(v merge.Version, seen merge.Seen) (lost merge.Version) {
	for key, kid := range n.kids {
		lost = later(lost, kid.wipe(v, seen))
		if newer(v, kid.set) {
			if kid.kind != removed && unseenBy(seen, v, kid.set) {
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
