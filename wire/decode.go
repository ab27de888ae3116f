package wire

import (
	"fmt"

	"sqlsync/merge"
)

// decodeMessage reads the body of a message. The result may alias it.
func decodeMessage(kind byte, body []byte) (Message, error) {
	r := reader{b: body}
	m := r.message(kind)
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("message of type %d: %w", kind, err)
	}
	return m, nil
}

func (r *reader) message(kind byte) Message {
	switch kind {
	case kindHello:
		return r.hello()
	case kindOffers:
		return r.offersAnew()
	case kindBatches:
		return &Batches{Sealed: r.sealedList()}
	case kindBehind:
		return &Behind{}
	case kindSnapshotAsk:
		return &SnapshotRequest{Cursor: r.bytes()}
	case kindSnapshotPart:
		return r.snapshotPart()
	case kindContentsAsk:
		return &ContentsRequest{}
	case kindContents:
		return r.contents()
	case kindPrintsAsk:
		return r.fingerprintsRequest()
	case kindPrints:
		return r.fingerprints()
	case kindStatesAsk:
		return r.statesRequest()
	case kindStates:
		return r.states()
	case kindRangesAsk:
		return &RangesRequest{Table: r.name(), Ranges: r.keyRanges()}
	case kindRanges:
		return r.ranges()
	case kindAck:
		return &Ack{Vector: r.vector()}
	case kindSealRequest:
		return &SealRequest{ID: r.uvarint()}
	case kindSealDone:
		return &SealDone{ID: r.uvarint(), Vector: r.vector()}
	case kindSchemaRequest:
		return &SchemaRequest{}
	case kindSchema:
		return r.schema()
	case kindDigestRequest:
		return &DigestRequest{}
	case kindDigests:
		return r.digests()
	case kindPing:
		return &Ping{ID: r.uvarint()}
	case kindPong:
		return &Pong{ID: r.uvarint()}
	case kindKnown:
		return r.known()
	case kindAddresses:
		return r.addresses()
	case kindBye:
		return &Bye{Code: r.string(), Text: r.string()}
	}
	r.fail("unknown type of message")
	return nil
}

func (r *reader) hello() *Hello {
	m := &Hello{
		MinProtocol: r.uint32(), MaxProtocol: r.uint32(), Software: r.string(), Dataset: r.name(),
		Pull: r.bool(), Push: r.bool(), Vector: r.vector(),
	}
	m.Tables = r.offers()
	m.Now = r.hlc(0)
	r.fields(map[uint64]func(*reader){
		fieldWants: func(f *reader) { m.Wants = f.names() },
		fieldHeld: func(f *reader) {
			if m.Held = f.vector(); f.err == nil && len(m.Held) == 0 {
				f.fail("an empty vector")
			}
		},
		fieldProof: func(f *reader) {
			m.Proof = new(Proof)
			copy(m.Proof[:], f.take(len(m.Proof)))
		},
		fieldMoved:     func(f *reader) { m.Moved = f.moved() },
		fieldExchanges: func(*reader) { m.Exchanges = true },
		fieldArrivals:  func(f *reader) { f.arrivals(m.Tables) },
		fieldRenamed:   func(f *reader) { f.renamed(m.Tables) },
	})
	return m
}

func (r *reader) offersAnew() *Offers {
	m := &Offers{Tables: r.offers()}
	r.fields(map[uint64]func(*reader){
		fieldOffersArrivals: func(f *reader) { f.arrivals(m.Tables) },
		fieldOffersRenamed:  func(f *reader) { f.renamed(m.Tables) },
	})
	return m
}

// arrivals reads those of some of the tables, in the tables' order, ascending by
// author.
func (r *reader) arrivals(tables []TableOffer) {
	if len(r.b) == 0 {
		r.fail("no arrivals")
	}
	for next := uint64(0); r.err == nil && len(r.b) > 0; {
		i := r.uvarint()
		if r.err == nil && (i < next || i >= uint64(len(tables))) {
			r.fail("arrivals of no table")
			return
		}
		n := r.count(33, maxHorizons)
		if r.err == nil && n == 0 {
			r.fail("arrivals of nobody")
		}
		if r.err != nil {
			return
		}
		next = i + 1
		list := make(Arrivals, n)
		var last merge.NodeID
		for k := range n {
			var author merge.NodeID
			copy(author[:], r.take(len(author)))
			at := r.hlc(0)
			switch {
			case r.err != nil:
				return
			case at == 0 || k > 0 && author.Compare(last) <= 0:
				r.fail("arrivals are not in order")
				return
			}
			last, list[author] = author, at
		}
		tables[i].Arrivals = list
	}
}

// renamed reads what columns of some of the tables were called, in the tables'
// order, ascending by what they were.
func (r *reader) renamed(tables []TableOffer) {
	if len(r.b) == 0 {
		r.fail("no renamed columns")
	}
	for next := uint64(0); r.err == nil && len(r.b) > 0; {
		i := r.uvarint()
		if r.err == nil && (i < next || i >= uint64(len(tables))) {
			r.fail("renamed columns of no table")
			return
		}
		next = i + 1
		list := make([]RenamedColumn, r.count(2, maxColumns))
		for k := range list {
			list[k] = RenamedColumn{Was: r.name(), Is: r.name()}
			if r.err == nil && k > 0 && list[k].Was <= list[k-1].Was {
				r.fail("renamed columns are not in order")
			}
		}
		if r.err == nil && len(list) == 0 {
			r.fail("no renamed columns of a table")
		}
		if r.err == nil {
			tables[i].Renamed = list
		}
	}
}

// moved reads the tables that are elsewhere, ascending by name.
func (r *reader) moved() []MovedTable {
	list := make([]MovedTable, r.count(2, maxSections))
	if r.err == nil && len(list) == 0 {
		r.fail("an empty list")
	}
	for i := range list {
		list[i] = MovedTable{Name: r.name(), Dataset: r.name()}
		if r.err == nil && i > 0 && list[i].Name <= list[i-1].Name {
			r.fail("tables are not in order")
		}
	}
	return list
}

func (r *reader) sealedList() []*Sealed {
	list := make([]*Sealed, r.count(signatureSize+2, maxSections))
	for i := range list {
		list[i] = r.sealed()
	}
	return list
}

func (r *reader) snapshotPart() *SnapshotPart {
	m := &SnapshotPart{Heads: r.heads()}
	m.Table, m.From, m.To, m.Complete = r.name(), r.bytes(), r.bytes(), r.bool()
	m.Cursor = r.bytes()
	m.Parts = r.sealedList()
	return m
}

func (r *reader) offers() []TableOffer {
	list := make([]TableOffer, r.count(4, maxSections))
	for i := range list {
		list[i] = TableOffer{Name: r.name(), Policy: r.string(), Fingerprint: r.string(), Shape: r.string()}
	}
	return list
}

// fields reads what later versions add to a message: numbered fields,
// ascending. Those that are not known are passed over.
func (r *reader) fields(known map[uint64]func(*reader)) {
	for last := uint64(0); len(r.b) > 0; {
		field := r.uvarint()
		f := reader{b: r.bytes()}
		if r.err == nil && field <= last {
			r.fail("fields are not in order")
		}
		last = field
		if read := known[field]; read != nil {
			if read(&f); f.end() != nil {
				r.fail(fmt.Sprintf("field %d: %v", field, f.err))
			}
		}
	}
}

// names reads a list of names, ascending.
func (r *reader) names() []string {
	list := make([]string, r.count(1, maxSections))
	for i := range list {
		if list[i] = r.name(); r.err == nil && i > 0 && list[i] <= list[i-1] {
			r.fail("names are not in order")
		}
	}
	return list
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 {
		r.fail("number out of range")
	}
	return uint32(v)
}

func (r *reader) digests() *Digests {
	m := &Digests{Vector: r.vector(), Pending: r.bool()}
	m.Tables = make([]TableDigest, r.count(3, maxSections))
	for i := range m.Tables {
		m.Tables[i] = TableDigest{Name: r.name(), Rows: r.uvarint(), Sum: r.string()}
	}
	return m
}

// vector reads positions, ascending by origin.
func (r *reader) vector() merge.Vector {
	n := r.count(34, maxHorizons)
	if n == 0 {
		return nil
	}
	v := make(merge.Vector, n)
	var last merge.NodeID
	for i := range n {
		var o merge.NodeID
		copy(o[:], r.take(32))
		if r.err == nil && i > 0 && o.Compare(last) <= 0 {
			r.fail("vector is not in order")
		}
		if r.err != nil {
			return nil
		}
		v[o] = merge.Position{Seq: r.uvarint(), HLC: r.hlc(0)}
		last = o
	}
	return v
}

func (r *reader) schema() *Schema {
	m := &Schema{Tables: make([]TableSchema, r.count(6, maxSections))}
	for i := range m.Tables {
		m.Tables[i] = TableSchema{
			Name: r.name(), Create: r.strings(), Triggers: r.strings(), Key: r.strings(), Policy: r.string(), Options: r.pairs(),
		}
	}
	m.Settings, m.Datasets = r.pairs(), r.strings()
	return m
}

// pairs reads a map, ascending by key.
func (r *reader) pairs() map[string]string {
	n := r.list(2)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	last := ""
	for i := range n {
		k := r.string()
		if r.err == nil && i > 0 && k <= last {
			r.fail("pairs are not in order")
		}
		if r.err != nil {
			return nil
		}
		m[k] = r.string()
		last = k
	}
	return m
}
