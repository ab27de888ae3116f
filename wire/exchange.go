package wire

import (
	"bytes"
	"encoding/binary"

	"sqlsync/merge"
)

const (
	// MaxKnown bounds the tags of a Known, MaxAddresses what answers it.
	MaxKnown     = 1024
	MaxAddresses = 64
	// maxStatement bounds a statement in bytes.
	maxStatement = 4096
	tagSize      = 16
)

// Known asks for the addresses of the nodes that both sides know: tags stand for
// the keys of the sender's remotes, under a salt of its own, ascending.
type Known struct {
	Salt [tagSize]byte
	Tags [][tagSize]byte
}

// Addresses answers a Known, and is said again when there is news. Nodes ascend.
type Addresses struct{ List []Address }

// Address is where a node says that it can be reached, signed by that node.
type Address struct {
	Node      merge.NodeID
	Statement []byte
}

func (*Known) message()     {}
func (*Addresses) message() {}

func appendKnown(b []byte, m *Known) []byte {
	b = binary.AppendUvarint(append(b, m.Salt[:]...), uint64(len(m.Tags)))
	for _, tag := range m.Tags {
		b = append(b, tag[:]...)
	}
	return b
}

func (r *reader) known() *Known {
	m := &Known{}
	copy(m.Salt[:], r.take(tagSize))
	m.Tags = make([][tagSize]byte, r.count(tagSize, MaxKnown))
	for i := range m.Tags {
		copy(m.Tags[i][:], r.take(tagSize))
		if r.err == nil && i > 0 && bytes.Compare(m.Tags[i][:], m.Tags[i-1][:]) <= 0 {
			r.fail("tags are not in order")
		}
	}
	return m
}

func appendAddresses(b []byte, m *Addresses) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.List)))
	for _, a := range m.List {
		b = appendBytes(append(b, a.Node[:]...), a.Statement)
	}
	return b
}

func (r *reader) addresses() *Addresses {
	m := &Addresses{List: make([]Address, r.count(33, MaxAddresses))}
	for i := range m.List {
		a := &m.List[i]
		copy(a.Node[:], r.take(32))
		if a.Statement = r.bytes(); len(a.Statement) > maxStatement {
			r.fail("statement is too long")
		}
		if r.err == nil && i > 0 && a.Node.Compare(m.List[i-1].Node) <= 0 {
			r.fail("nodes are not in order")
		}
	}
	return m
}
