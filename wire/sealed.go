package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
)

// Sealed is a batch as it is stored and sent.
type Sealed struct {
	// Head is the encoded header with the directory of the sections.
	Head []byte
	// Signature is the origin's Ed25519 signature of the hash.
	Signature []byte
	// Sections holds each section's compressed bytes, nil where it was left
	// out because the receiver does not want the table.
	Sections [][]byte
}

// Held is a sealed batch with its place in the order in which a store came to
// hold its dataset's batches.
type Held struct {
	// Pos rises with every batch that is held, whatever its origin; it has
	// gaps. It means something to the store that gave it only.
	Pos    int64
	Origin merge.NodeID
	Seq    uint64
	Sealed *Sealed
	// Own says that it was sealed here, which Origin alone need not tell: a file
	// that was put back goes on as another origin.
	Own bool
	// Lacks names a table that was wanted and whose section is not here, ""
	// mostly.
	Lacks string
}

// hashDomain keeps the signature of a batch from being one of anything else.
const hashDomain = "sqlsync batch v1\x00"

// signatureSize is that of Ed25519.
const signatureSize = 64

// Seal encodes a batch and signs its hash. A batch that does not agree in
// itself, or is beyond the limits that readers have by default, gives an
// error; a value that is not SQLite's panics.
func Seal(b *Batch, sign func(Hash) []byte) (*Sealed, error) {
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	s := &Sealed{}
	dir := make([]SectionHead, len(b.Sections))
	var total int64
	var payload []byte
	for i := range b.Sections {
		sec := &b.Sections[i]
		payload = appendSection(payload[:0], sec)
		if len(payload) > (Limits{}).withDefaults().MaxSection {
			return nil, fmt.Errorf("encode batch: table %s: %d bytes are more than a batch can hold", sec.Table, len(payload))
		}
		if total += int64(len(payload)); total > int64((Limits{}).withDefaults().MaxBatch) {
			return nil, fmt.Errorf("encode batch: %d bytes are more than a batch can hold", total)
		}
		packed := compress(payload)
		s.Sections = append(s.Sections, packed)
		dir[i] = SectionHead{Table: sec.Table, Changes: len(sec.Changes), Size: len(payload), Hash: blake2b.Sum256(packed)}
	}
	s.Head = appendHead(nil, &b.Header, dir)
	s.Signature = sign(s.Hash())
	if len(s.Signature) != signatureSize {
		return nil, errors.New("encode batch: signature has the wrong size")
	}
	return s, nil
}

// Hash returns what names the batch: its successor and its signature are over
// it. It covers the sections through their hashes in the directory, also those
// that were left out.
func (s *Sealed) Hash() Hash {
	return blake2b.Sum256(append([]byte(hashDomain), s.Head...))
}

// Header decodes the head.
func (s *Sealed) Header() (Header, []SectionHead, error) { return decodeHead(s.Head) }

// Verify checks that the batch is whole and what its origin signed. check is
// given the origin, the hash and the signature. The error wraps ErrInvalid.
func (s *Sealed) Verify(check func(origin merge.NodeID, h Hash, signature []byte) bool) error {
	h, dir, err := s.Header()
	if err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	switch {
	case len(dir) != len(s.Sections):
		return fmt.Errorf("%w: batch %d of %v has %d sections, its directory %d", ErrInvalid, h.Seq, h.Origin, len(s.Sections), len(dir))
	case !sameHead(s.Head, &h, dir):
		return fmt.Errorf("%w: head of batch %d of %v is not in its one form", ErrInvalid, h.Seq, h.Origin)
	case !check(h.Origin, s.Hash(), s.Signature):
		return fmt.Errorf("%w: signature of batch %d of %v does not verify", ErrInvalid, h.Seq, h.Origin)
	}
	for i, sec := range s.Sections {
		if sec != nil && blake2b.Sum256(sec) != [32]byte(dir[i].Hash) {
			return fmt.Errorf("%w: table %s in batch %d of %v is not what was signed", ErrInvalid, dir[i].Table, h.Seq, h.Origin)
		}
	}
	return nil
}

// Open decodes the head and the sections that are there. Before it makes room
// for any it sees what all of them claim.
func (s *Sealed) Open(l Limits) (*Batch, error) {
	h, dir, err := s.Header()
	if err != nil {
		return nil, err
	}
	if n, most := s.claims(dir), l.withDefaults().MaxBatch; n > int64(most) {
		return nil, fmt.Errorf("%w: batch %d of %v: %d bytes before compression are more than %d", ErrInvalid, h.Seq, h.Origin, n, most)
	}
	b := &Batch{Header: h}
	for i := range dir {
		if i >= len(s.Sections) || s.Sections[i] == nil {
			continue
		}
		sec, err := s.openSection(i, &h, &dir[i], l)
		if err != nil {
			return nil, err
		}
		b.Sections = append(b.Sections, *sec)
	}
	return b, nil
}

// Claims returns the bytes before compression of the sections that are there,
// as the directory says; Open holds it to that.
func (s *Sealed) Claims() (int64, error) {
	_, dir, err := s.Header()
	return s.claims(dir), err
}

func (s *Sealed) claims(dir []SectionHead) (n int64) {
	for i := range min(len(dir), len(s.Sections)) {
		if s.Sections[i] != nil {
			n += int64(dir[i].Size)
		}
	}
	return n
}

// OpenSection decodes the section at a place of the directory. One that was
// left out is an error, too.
func (s *Sealed) OpenSection(i int, l Limits) (*Section, error) {
	h, dir, err := s.Header()
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= len(dir) || i >= len(s.Sections) || s.Sections[i] == nil {
		return nil, fmt.Errorf("%w: batch %d of %v: section %d is not there", ErrInvalid, h.Seq, h.Origin, i)
	}
	return s.openSection(i, &h, &dir[i], l)
}

func (s *Sealed) openSection(i int, h *Header, d *SectionHead, l Limits) (*Section, error) {
	l = l.withDefaults()
	fail := func(what string) error {
		return fmt.Errorf("%w: table %s in batch %d of %v: %s", ErrInvalid, d.Table, h.Seq, h.Origin, what)
	}
	if d.Size > l.MaxSection || d.Changes > l.MaxChanges {
		return nil, fail("larger than the limit")
	}
	payload, err := decompress(s.Sections[i], d.Size)
	if err != nil {
		return nil, fail(err.Error())
	}
	sec, err := decodeSection(payload, l)
	if err != nil {
		return nil, fmt.Errorf("table %s in batch %d of %v: %w", d.Table, h.Seq, h.Origin, err)
	}
	sec.Table = d.Table
	if n := len(sec.Changes); n != d.Changes {
		return nil, fail("number of changes is not the directory's")
	} else if n > 0 && (sec.Changes[0].HLC < h.First || sec.Changes[n-1].HLC > h.Last) {
		return nil, fail("a change is outside the batch's time")
	}
	return sec, nil
}

// Size returns the bytes the batch takes, but for a few.
func (s *Sealed) Size() int {
	n := len(s.Head) + len(s.Signature)
	for _, sec := range s.Sections {
		n += len(sec)
	}
	return n
}

// Without returns the batch without the sections of tables that are not to be
// kept. The hash and the signature are the same.
func (s *Sealed) Without(keep func(table string) bool) (*Sealed, error) {
	_, dir, err := s.Header()
	if err != nil {
		return nil, err
	}
	out := &Sealed{Head: s.Head, Signature: s.Signature, Sections: slices.Clone(s.Sections)}
	for i := range out.Sections {
		if i >= len(dir) || !keep(dir[i].Table) {
			out.Sections[i] = nil
		}
	}
	return out, nil
}

// Whole reports whether no section was left out.
func (s *Sealed) Whole() bool {
	return !slices.ContainsFunc(s.Sections, func(b []byte) bool { return b == nil })
}

// LeftOut lists the tables whose sections were left out.
func (s *Sealed) LeftOut() (tables []string, err error) {
	if s.Whole() {
		return nil, nil
	}
	_, dir, err := s.Header()
	for i, sec := range s.Sections {
		if sec == nil && i < len(dir) {
			tables = append(tables, dir[i].Table)
		}
	}
	return tables, err
}

// Fill takes over from the same batch the sections that were left out here and
// not there, and returns their places in the directory. The caller has verified
// both. It leaves s as it is.
func (s *Sealed) Fill(from *Sealed) (filled *Sealed, places []int) {
	filled = &Sealed{Head: s.Head, Signature: s.Signature, Sections: slices.Clone(s.Sections)}
	for i := range filled.Sections {
		if filled.Sections[i] == nil && i < len(from.Sections) && from.Sections[i] != nil {
			filled.Sections[i] = from.Sections[i]
			places = append(places, i)
		}
	}
	return filled, places
}

// Append appends the batch in the one form in which it is stored and sent.
func (s *Sealed) Append(b []byte) []byte {
	b = appendBytes(b, s.Head)
	b = append(b, s.Signature...)
	b = binary.AppendUvarint(b, uint64(len(s.Sections)))
	for _, sec := range s.Sections {
		b = appendBool(b, sec != nil)
		if sec != nil {
			b = appendBytes(b, sec)
		}
	}
	return b
}

// ParseSealed reads what Append wrote. The result aliases b.
func ParseSealed(b []byte) (*Sealed, error) {
	r := reader{b: b}
	s := r.sealed()
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	return s, nil
}

func (r *reader) sealed() *Sealed {
	s := &Sealed{Head: r.bytes(), Signature: r.take(signatureSize)}
	s.Sections = make([][]byte, r.count(1, maxSections))
	for i := range s.Sections {
		if r.bool() {
			s.Sections[i] = r.bytes()
		}
	}
	return s
}
