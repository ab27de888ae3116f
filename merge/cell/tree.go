package cell

import (
	"encoding/binary"
	"maps"
	"slices"

	"sqlsync/merge"
)

// deepest bounds how deep a tree may be that is read.
const deepest = 10_000

func (d *document) Append(b []byte) []byte {
	b = appendVersion(appendValue(b, d.text), d.textAt)
	b = appendVersion(appendVersion(appendValue(b, d.opaque), d.opaqueAt), d.docAt)
	return d.root.append(b, merge.Version{})
}

func (r *reader) document() *document {
	d := &document{text: r.value(), textAt: r.version(), opaque: r.value(), opaqueAt: r.version(), docAt: r.version()}
	if d.root = r.node(merge.Version{}, 0); !r.bad {
		d.settle()
	}
	return d
}

// A node is its kind and flags, then what the flags say. Most nodes were
// written with the one above them, whose version is then not repeated.
const (
	flagSet     = 8  // a version of its own
	flagClear   = 16 // clear
	flagOrdered = 32 // order
	flagKids    = 64
)

func (n *node) append(b []byte, above merge.Version) []byte {
	flags := byte(n.kind)
	for _, f := range []struct {
		on  bool
		bit byte
	}{{n.set != above, flagSet}, {n.clear != n.implied(), flagClear}, {!n.ordered.IsZero(), flagOrdered}, {len(n.kids) > 0, flagKids}} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, flags)
	if flags&flagSet != 0 {
		b = appendVersion(b, n.set)
	}
	if flags&flagClear != 0 {
		b = appendVersion(b, n.clear)
	}
	if n.kind == leaf {
		b = appendText(b, n.raw)
	}
	if flags&flagOrdered != 0 {
		b = appendTexts(appendVersion(b, n.ordered), n.order)
	}
	if flags&flagKids != 0 {
		b = binary.AppendUvarint(b, uint64(len(n.kids)))
		for _, step := range slices.Sorted(maps.Keys(n.kids)) {
			b = n.kids[step].append(appendText(b, step), n.set)
		}
	}
	return b
}

// implied is the clear of a node that was written once.
func (n *node) implied() merge.Version {
	if n.kind.container() {
		return merge.Version{}
	}
	return n.set
}

func (r *reader) node(above merge.Version, depth int) *node {
	flags := r.byte()
	n := &node{set: above, kind: kind(flags & 7)}
	if depth > deepest || n.kind > list || flags > 127 {
		r.bad = true
		return n
	}
	if flags&flagSet != 0 {
		n.set = r.version()
	}
	if n.clear = n.implied(); flags&flagClear != 0 {
		n.clear = r.version()
	}
	if n.kind == leaf {
		n.raw = r.text()
	}
	if flags&flagOrdered != 0 {
		n.ordered, n.order = r.version(), r.texts()
	}
	if flags&flagKids != 0 {
		n.kids = make(map[string]*node)
		for i := r.count(2); i > 0 && !r.bad; i-- {
			step := r.text()
			n.kids[step] = r.node(n.set, depth+1)
		}
	}
	return n
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

func (r *reader) texts() []string {
	list := make([]string, 0, r.count(1))
	for i := cap(list); i > 0 && !r.bad; i-- {
		list = append(list, r.text())
	}
	return list
}

// What travels of a document's write: its ops one after the other.
const (
	opOrders = 8
	opClears = 16
)

func appendOps(b []byte, ops []op) []byte {
	b = binary.AppendUvarint(b, uint64(len(ops)))
	for _, o := range ops {
		flags := byte(o.kind)
		if o.order != nil {
			flags |= opOrders
		}
		if o.clears {
			flags |= opClears
		}
		b = appendTexts(append(b, flags), o.path)
		switch {
		case o.order != nil:
			b = appendTexts(b, o.order)
		case o.kind == leaf:
			b = appendText(b, o.raw)
		case o.kind == opaque:
			b = appendValue(b, o.other)
		}
	}
	return b
}

func (r *reader) ops() []op {
	var ops []op
	for n := r.count(2); n > 0 && !r.bad; n-- {
		flags := r.byte()
		o := op{kind: kind(flags & 7), path: r.texts(), clears: flags&opClears != 0}
		switch {
		case flags > 31 || o.kind > opaque || len(o.path) > deepest || len(o.path) == 0 && !o.kind.container() && o.kind != opaque,
			o.kind == opaque && (len(o.path) > 0 || n > 1 || len(ops) > 0):
			r.bad = true
		case flags&opOrders != 0:
			o.order = r.texts()
		case o.kind == leaf:
			if o.raw = r.text(); !validLeaf(o.raw) {
				r.bad = true
			}
		case o.kind == opaque:
			o.other = r.value()
		}
		ops = append(ops, o)
	}
	return ops
}
