package cell

import "sqlsync/merge"

// Join takes everything that another state of the same cell has, as a snapshot
// tells it: b is its binary form.
func (p Policy) Join(s State, b []byte) error {
	o, err := p.Decode(b)
	if err != nil {
		return err
	}
	switch s := s.(type) {
	case *counter:
		s.join(o.(*counter))
	case *document:
		s.join(o.(*document))
	case *extreme:
		s.take(o.(*extreme).value)
	case *register:
		return s.join(o.(*register))
	}
	return nil
}

func (c *counter) join(o *counter) {
	both := c.since.HLC.Baseline() && o.since.HLC.Baseline()
	switch order := o.since.Compare(c.since); {
	case order > 0 && both:
		c.base, c.since = o.base, o.since
	case order > 0:
		*c = *o
		return
	case order < 0 && !both:
		return
	case order == 0:
		c.base = o.base // ours may be what the row was told to be worth now
	}
	for _, s := range o.sums {
		c.put(s)
	}
}

func (d *document) join(o *document) {
	d.root.join(o.root)
	d.docAt = later(d.docAt, o.docAt)
	if newer(o.opaqueAt, d.opaqueAt) {
		d.opaque, d.opaqueAt = o.opaque, o.opaqueAt
	}
	d.take(o.text, o.textAt)
}

func (n *node) join(o *node) {
	if newer(o.clear, n.clear) {
		n.wipe(o.clear, func(merge.NodeID) merge.HLC { return 1<<63 - 1 })
		n.clear = o.clear
	}
	if newer(o.set, n.set) {
		n.set, n.kind, n.raw = o.set, o.kind, o.raw
	}
	if newer(o.ordered, n.ordered) {
		n.ordered, n.order = o.ordered, o.order
	}
	for step, kid := range o.kids {
		if n.kids == nil {
			n.kids = make(map[string]*node)
		}
		if n.kids[step] == nil {
			n.kids[step] = new(node)
		}
		n.kids[step].join(kid)
	}
}

func (g *register) join(o *register) error {
	if newer(o.since, g.since) || o.since == g.since {
		g.base, g.since = o.base, o.since
	}
	var all []entry
	for _, e := range g.entries {
		if !o.isCovered(e.version) {
			all = append(all, e)
		}
	}
next:
	for _, e := range o.entries {
		if g.isCovered(e.version) {
			continue
		}
		for _, have := range all {
			if have.version == e.version {
				continue next
			}
		}
		all = append(all, e)
	}
	for _, v := range o.covered {
		g.cover(v)
	}
	g.entries = nil
	for _, e := range all {
		g.insert(e)
	}
	if len(g.entries) == 0 {
		g.value = g.base
		return nil
	}
	return g.fold()
}
