package wire

import (
	"encoding/binary"

	"sqlsync/merge"
)

// What follows compares tables by ranges of keys. Fingerprints of a range say
// whether two nodes have the same in it; one that differs is divided further.

// KeyRange are the keys behind From and up to To, each a row of values as
// AppendRow makes it, and empty for no bound.
type KeyRange struct{ From, To []byte }

// ContentsRequest asks which tables there are to compare.
type ContentsRequest struct{}

// Contents answers a ContentsRequest.
type Contents struct {
	// Heads are the ends of the chains that the sender's tables stand for, or
	// more than that.
	Heads  []ChainHead
	Tables []TableContents
}

// TableContents says how a table can be compared.
type TableContents struct {
	Name string
	// Columns are those whose values are the same on all nodes.
	Columns []string
	// Keyed says that keys are the same on all nodes too, Settled that nothing
	// waits to be merged into the table.
	Keyed, Settled bool
}

// Aspect is what of rows is compared.
type Aspect byte

const (
	// ByValues compares what rows hold.
	ByValues Aspect = 1
	// ByVersions compares how rows came about: what decides in a merge. It is
	// about tombstones, too.
	ByVersions Aspect = 2
)

// FingerprintsRequest asks for fingerprints of ranges of a table.
type FingerprintsRequest struct {
	Aspect Aspect
	Table  string
	// Columns are those that count, in this order, with the key among them; for
	// ByValues only.
	Columns []string
	Ranges  []KeyRange
}

// Fingerprints answers a FingerprintsRequest.
type Fingerprints struct {
	// Vector is what was applied before the first row was read.
	Vector merge.Vector
	// Ranges are those of the request, or the first of them. Each is divided
	// into parts of about as many rows; the last part ends where the range does.
	Ranges [][]Fingerprint
}

// Sum is the sum, modulo 2^128, of a hash of each row.
type Sum [16]byte

// Fingerprint stands for the rows behind the To of the one before it, up to To.
type Fingerprint struct {
	To []byte
	// Single says that To is the key of the only row, or tombstone, in it.
	Single bool
	Rows   uint64
	Sum    Sum
	// Dead counts tombstones, DeadSum is theirs.
	Dead    uint64
	DeadSum Sum
}

// StatesRequest asks what rows with certain keys hold.
type StatesRequest struct {
	Table   string
	Columns []string
	Keys    [][]byte
}

// States answers a StatesRequest with what was there at one moment, in which
// nothing waited to be sealed.
type States struct {
	Vector merge.Vector
	Rows   []RowState
}

// RowState is what a row holds.
type RowState struct {
	Here bool
	// Hashes are those of the values, eight bytes to a column.
	Hashes []byte
}

// RangesRequest asks for the rows in ranges of a table.
type RangesRequest struct {
	Table  string
	Ranges []KeyRange
}

// Ranges answers a RangesRequest as a SnapshotPart does a SnapshotRequest.
type Ranges struct {
	Table string
	// Ranges are those of the request, or the first of them; the last one may
	// end early.
	Ranges   []KeyRange
	Complete bool
	Parts    []*Sealed
}

func (*ContentsRequest) message()     {}
func (*Contents) message()            {}
func (*FingerprintsRequest) message() {}
func (*Fingerprints) message()        {}
func (*StatesRequest) message()       {}
func (*States) message()              {}
func (*RangesRequest) message()       {}
func (*Ranges) message()              {}

const (
	// maxRanges bounds the ranges and keys of a request.
	maxRanges = 1 << 12
	// maxFingerprints bounds the fingerprints of a message.
	maxFingerprints = 1 << 16
	// StateHash is how many bytes stand for a value in States.
	StateHash = 8
)

func appendHeads(b []byte, heads []ChainHead) []byte {
	b = binary.AppendUvarint(b, uint64(len(heads)))
	for _, h := range heads {
		b = append(b, h.Origin[:]...)
		b = binary.AppendUvarint(b, h.Seq)
		b = binary.AppendUvarint(b, uint64(h.HLC))
		b = append(b, h.Hash[:]...)
	}
	return b
}

func (r *reader) heads() []ChainHead {
	n := r.count(66, maxHorizons)
	if n == 0 {
		return nil
	}
	heads := make([]ChainHead, n)
	for i := range heads {
		h := &heads[i]
		copy(h.Origin[:], r.take(32))
		h.Seq, h.HLC = r.uvarint(), r.hlc(0)
		h.Hash = r.hash()
	}
	return heads
}

func appendContents(b []byte, m *Contents) []byte {
	b = appendHeads(b, m.Heads)
	b = binary.AppendUvarint(b, uint64(len(m.Tables)))
	for _, t := range m.Tables {
		b = appendStrings(appendBytes(b, t.Name), t.Columns)
		b = appendBool(appendBool(b, t.Keyed), t.Settled)
	}
	return b
}

func (r *reader) contents() *Contents {
	m := &Contents{Heads: r.heads()}
	m.Tables = make([]TableContents, r.count(4, maxSections))
	for i := range m.Tables {
		m.Tables[i] = TableContents{Name: r.name(), Columns: r.strings(), Keyed: r.bool(), Settled: r.bool()}
	}
	return m
}

func appendKeyRanges(b []byte, list []KeyRange) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, k := range list {
		b = appendBytes(appendBytes(b, k.From), k.To)
	}
	return b
}

func (r *reader) keyRanges() []KeyRange {
	list := make([]KeyRange, r.count(2, maxRanges))
	for i := range list {
		list[i] = KeyRange{From: r.bytes(), To: r.bytes()}
	}
	return list
}

func appendFingerprintsRequest(b []byte, m *FingerprintsRequest) []byte {
	b = appendBytes(append(b, byte(m.Aspect)), m.Table)
	return appendKeyRanges(appendStrings(b, m.Columns), m.Ranges)
}

func (r *reader) fingerprintsRequest() *FingerprintsRequest {
	m := &FingerprintsRequest{Aspect: Aspect(r.byte()), Table: r.name(), Columns: r.strings(), Ranges: r.keyRanges()}
	if r.err == nil && m.Aspect != ByValues && m.Aspect != ByVersions {
		r.fail("unknown aspect of rows")
	}
	return m
}

// Flags of a fingerprint.
const (
	fingerprintSingle = 1 << iota
	fingerprintRows
	fingerprintDead
	fingerprintFlags
)

func appendFingerprints(b []byte, m *Fingerprints) []byte {
	b = binary.AppendUvarint(appendVector(b, m.Vector), uint64(len(m.Ranges)))
	for _, parts := range m.Ranges {
		b = binary.AppendUvarint(b, uint64(len(parts)))
		for i := range parts {
			b = appendFingerprint(b, &parts[i])
		}
	}
	return b
}

func appendFingerprint(b []byte, f *Fingerprint) []byte {
	var flags byte
	if f.Single {
		flags |= fingerprintSingle
	}
	if f.Rows > 0 {
		flags |= fingerprintRows
	}
	if f.Dead > 0 {
		flags |= fingerprintDead
	}
	b = appendBytes(append(b, flags), f.To)
	if f.Rows > 0 {
		b = append(binary.AppendUvarint(b, f.Rows), f.Sum[:]...)
	}
	if f.Dead > 0 {
		b = append(binary.AppendUvarint(b, f.Dead), f.DeadSum[:]...)
	}
	return b
}

func (r *reader) fingerprints() *Fingerprints {
	m := &Fingerprints{Vector: r.vector()}
	m.Ranges = make([][]Fingerprint, r.count(1, maxRanges))
	left := maxFingerprints
	for i := range m.Ranges {
		m.Ranges[i] = make([]Fingerprint, r.count(2, left))
		left -= len(m.Ranges[i])
		for j := range m.Ranges[i] {
			m.Ranges[i][j] = r.fingerprint()
		}
	}
	return m
}

func (r *reader) fingerprint() (f Fingerprint) {
	flags := r.byte()
	if flags >= fingerprintFlags {
		r.fail("bad flag")
	}
	f.Single, f.To = flags&fingerprintSingle != 0, r.bytes()
	if flags&fingerprintRows != 0 {
		f.Rows, f.Sum = r.some(), r.sum()
	}
	if flags&fingerprintDead != 0 {
		f.Dead, f.DeadSum = r.some(), r.sum()
	}
	return f
}

// some reads a number above 0.
func (r *reader) some() uint64 {
	n := r.uvarint()
	if r.err == nil && n == 0 {
		r.fail("none where there are some")
	}
	return n
}

func (r *reader) sum() (s Sum) {
	copy(s[:], r.take(len(s)))
	return s
}

func appendStatesRequest(b []byte, m *StatesRequest) []byte {
	b = appendStrings(appendBytes(b, m.Table), m.Columns)
	b = binary.AppendUvarint(b, uint64(len(m.Keys)))
	for _, k := range m.Keys {
		b = appendBytes(b, k)
	}
	return b
}

func (r *reader) statesRequest() *StatesRequest {
	m := &StatesRequest{Table: r.name(), Columns: r.strings()}
	m.Keys = make([][]byte, r.count(1, maxRanges))
	for i := range m.Keys {
		m.Keys[i] = r.bytes()
	}
	return m
}

func appendStates(b []byte, m *States) []byte {
	b = binary.AppendUvarint(appendVector(b, m.Vector), uint64(len(m.Rows)))
	for i := range m.Rows {
		if b = appendBool(b, m.Rows[i].Here); m.Rows[i].Here {
			b = appendBytes(b, m.Rows[i].Hashes)
		}
	}
	return b
}

func (r *reader) states() *States {
	m := &States{Vector: r.vector()}
	m.Rows = make([]RowState, r.count(1, maxRanges))
	for i := range m.Rows {
		if m.Rows[i].Here = r.bool(); m.Rows[i].Here {
			m.Rows[i].Hashes = r.bytes()
		}
	}
	return m
}

func appendRanges(b []byte, m *Ranges) []byte {
	b = appendBool(appendKeyRanges(appendBytes(b, m.Table), m.Ranges), m.Complete)
	return appendSealedList(b, m.Parts)
}

func (r *reader) ranges() *Ranges {
	return &Ranges{Table: r.name(), Ranges: r.keyRanges(), Complete: r.bool(), Parts: r.sealedList()}
}
