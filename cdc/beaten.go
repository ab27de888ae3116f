package cdc

import (
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// A write that lost has lost at every node that has seen it and one of those
// that beat it. Whoever writes to the row there replaces what stands and not
// what was lost; so all that beat it are remembered with it, also when they
// themselves have long been replaced. Of one author the first does for all:
// who saw a later one saw that.
type beaten []merge.Version

// add enters a version that beat.
func (b *beaten) add(v merge.Version) (grown bool) {
	i := slices.IndexFunc(*b, func(have merge.Version) bool { return have.Origin == v.Origin })
	switch {
	case i < 0:
		*b = append(*b, v)
	case v.HLC < (*b)[i].HLC:
		(*b)[i] = v
	default:
		return false
	}
	return true
}

// encodeBeaten spells versions for the column of the same name, nil for none.
func (t *tx) encodeBeaten(b beaten) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var row []wire.Value
	for _, v := range b {
		origin, err := t.origin(v.Origin)
		if err != nil {
			return nil, err
		}
		row = append(row, origin, int64(v.HLC))
	}
	return wire.AppendRow(nil, row), nil
}

func (t *tx) decodeBeaten(column any) (b beaten, err error) {
	text, ok := column.([]byte)
	if !ok {
		return nil, nil
	}
	row, err := wire.DecodeRow(text)
	if err != nil {
		return nil, err
	}
	for pair := range slices.Chunk(row, 2) {
		if v, ok := t.version(pair[len(pair)-1], pair[0]); ok {
			b = append(b, v)
		}
	}
	return b, nil
}
