package replicate

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"sync"

	"sqlsync/merge"
	"sqlsync/wire"
)

// memStore is a Store in memory that checks what a session promises: chains
// without gaps, in order, and nothing before what its author had seen.
type memStore struct {
	mu      sync.Mutex
	self    merge.NodeID
	pending int // what the application has committed since the last seal
	vector  merge.Vector
	held    []wire.Held
	subs    map[chan struct{}]struct{}

	confirmed map[merge.NodeID]merge.Vector
	delivered int // batches given to Apply, repeated ones included
	acausal   []string
	// fail, if set, is asked before each Apply.
	fail func() error
	size int // of each batch

	// agreed and adopted are what the session told, follows is what Agree says.
	agreed  [][]wire.TableOffer
	adopted []*wire.Schema
	follows bool
}

// memHead is what a batch of a memStore says.
type memHead struct {
	Origin merge.NodeID
	Seq    uint64
	HLC    merge.HLC
	Seen   merge.Vector
}

func newMemStore(self merge.NodeID) *memStore {
	return &memStore{
		self: self, vector: merge.Vector{}, subs: make(map[chan struct{}]struct{}),
		confirmed: make(map[merge.NodeID]merge.Vector), size: 100,
	}
}

func nodeID(n int) (id merge.NodeID) {
	id[0] = byte(n)
	return id
}

func encodeHead(h memHead) []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(h); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func decodeHead(b *wire.Sealed) (h memHead, err error) {
	if err := gob.NewDecoder(bytes.NewReader(b.Head)).Decode(&h); err != nil {
		return h, fmt.Errorf("head: %w", wire.ErrInvalid)
	}
	return h, nil
}

// commit is what an application does: n writes, sealed at once.
func (m *memStore) commit(n int) {
	m.write(n)
	m.Seal(context.Background())
}

// write commits without sealing.
func (m *memStore) write(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending += n
}

func (m *memStore) Seal(context.Context) (merge.Vector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.pending > 0; m.pending-- {
		last := m.vector[m.self]
		h := memHead{Origin: m.self, Seq: last.Seq + 1, HLC: last.HLC + 1, Seen: m.vector.Clone()}
		m.hold(h, &wire.Sealed{Head: encodeHead(h), Signature: make([]byte, 64), Sections: [][]byte{make([]byte, m.size)}})
	}
	return m.vector.Clone(), nil
}

func (m *memStore) hold(h memHead, b *wire.Sealed) {
	m.held = append(m.held, wire.Held{Pos: int64(2*len(m.held) + 1), Origin: h.Origin, Seq: h.Seq, Sealed: b})
	m.vector.Advance(h.Origin, merge.Position{Seq: h.Seq, HLC: h.HLC})
	for ch := range m.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (m *memStore) Vector(context.Context) (merge.Vector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.vector.Clone(), nil
}

func (m *memStore) After(ctx context.Context, pos int64, maxBytes int) ([]wire.Held, error) {
	return m.AfterExcept(ctx, pos, nil, nil, maxBytes)
}

func (m *memStore) AfterExcept(_ context.Context, pos int64, have merge.Vector, _ []string, maxBytes int) (out []wire.Held, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := int((pos + 1) / 2)
	for size := 0; from < len(m.held); from++ {
		h := m.held[from]
		if h.Pos <= pos || have[h.Origin].Seq >= h.Seq {
			continue
		}
		if size += h.Sealed.Size(); size > maxBytes && len(out) > 0 {
			break
		}
		out = append(out, h)
	}
	return out, nil
}

func (m *memStore) Apply(_ context.Context, from merge.NodeID, batches []*wire.Sealed) (merge.Vector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return m.vector.Clone(), err
		}
	}
	for _, b := range batches {
		h, err := decodeHead(b)
		if err != nil {
			return m.vector.Clone(), fmt.Errorf("batch from %v: %w", from, err)
		}
		m.delivered++
		switch have := m.vector[h.Origin].Seq; {
		case h.Seq <= have:
			continue
		case h.Seq > have+1:
			return m.vector.Clone(), fmt.Errorf("batch %d of %v, have %d: %w", h.Seq, h.Origin, have, wire.ErrGap)
		}
		if !m.vector.Covers(h.Seen) {
			m.acausal = append(m.acausal, fmt.Sprintf("%v got %v/%d from %v before what it had seen", m.self, h.Origin, h.Seq, from))
		}
		m.hold(h, b)
	}
	return m.vector.Clone(), nil
}

func (m *memStore) Confirm(_ context.Context, peer merge.NodeID, v merge.Vector) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.confirmed[peer] == nil {
		m.confirmed[peer] = merge.Vector{}
	}
	m.confirmed[peer].Join(v)
	return nil
}

func (m *memStore) Reoffers() (<-chan struct{}, func()) { return nil, func() {} }

func (m *memStore) Agree(_ context.Context, peer merge.NodeID, offers []wire.TableOffer) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agreed = append(m.agreed, offers)
	return m.follows, nil
}

func (m *memStore) Adopt(_ context.Context, _ merge.NodeID, schema *wire.Schema) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.adopted = append(m.adopted, schema)
	return nil
}

func (m *memStore) Offers(context.Context) ([]wire.TableOffer, error) {
	return []wire.TableOffer{{Name: "orders", Policy: "lww"}}, nil
}

func (m *memStore) Schema(context.Context) (*wire.Schema, error) {
	return &wire.Schema{Tables: []wire.TableSchema{{Name: "orders", Create: []string{"CREATE TABLE orders (id INTEGER PRIMARY KEY)"}, Key: []string{"id"}}}}, nil
}

func (m *memStore) Subscribe() (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan struct{}, 1)
	m.subs[ch] = struct{}{}
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subs, ch)
	}
}

// plainStore hides that a memStore is a Skipper.
type plainStore struct{ Store }

func (m *memStore) Compare(_ context.Context, question wire.Message) (wire.Message, error) {
	if _, ok := question.(*wire.ContentsRequest); ok {
		return &wire.Contents{Tables: []wire.TableContents{{Name: "orders"}}}, nil
	}
	return nil, fmt.Errorf("%w: %T", wire.ErrInvalid, question)
}
