package cdc

import (
	"slices"

	"sqlsync/schema"
	"sqlsync/wire"
)

// image is a row, or some of its columns, by name.
type image []imageCell

type imageCell struct {
	name  string
	value wire.Value
}

func (im image) encode() []byte {
	flat := make([]wire.Value, 0, 2*len(im))
	for _, c := range im {
		flat = append(flat, c.name, c.value)
	}
	return wire.AppendRow(nil, flat)
}

func decodeImage(b []byte) (image, error) {
	flat, err := wire.DecodeRow(b)
	if err != nil || len(flat)%2 != 0 {
		return nil, errDamaged
	}
	var im image
	for i := 0; i < len(flat); i += 2 {
		name, ok := flat[i].(string)
		if !ok {
			return nil, errDamaged
		}
		im = append(im, imageCell{name, flat[i+1]})
	}
	return im, nil
}

// set returns im with a column's value.
func (im image) set(name string, v wire.Value) image {
	for i := range im {
		if equalNames(im[i].name, name) {
			im[i].value = v
			return im
		}
	}
	return append(im, imageCell{name, v})
}

// value is that of a column; ok says whether im has it.
func (im image) value(name string) (v wire.Value, ok bool) {
	for i := range im {
		if equalNames(im[i].name, name) {
			return im[i].value, true
		}
	}
	return nil, false
}

// has reports whether im has a column.
func (im image) has(name string) bool {
	_, ok := im.value(name)
	return ok
}

// with is im with the values of another image in place of its own.
func (im image) with(other image) image {
	im = slices.Clone(im)
	for _, c := range other {
		im = im.set(c.name, c.value)
	}
	return im
}

// changedFrom is the values of im that another image has not.
func (im image) changedFrom(other image) image {
	return slices.DeleteFunc(slices.Clone(im), func(c imageCell) bool {
		v, ok := other.value(c.name)
		return ok && hashValue(v) == hashValue(c.value)
	})
}

// only is im's values of the columns that another image has.
func (im image) only(other image) image {
	return slices.DeleteFunc(slices.Clone(im), func(c imageCell) bool { return !other.has(c.name) })
}

func equalNames(a, b string) bool { return schema.Same(a, b) }

// imageOf names the values of some of the table's cells.
func (tab *table) imageOf(cells []int, values []wire.Value) image {
	im := make(image, len(cells))
	for i, c := range cells {
		im[i] = imageCell{tab.cells[c].name, values[i]}
	}
	return im
}

// holds reports whether im has the values of another.
func (im image) holds(other image) bool {
	for _, c := range other {
		if v, ok := im.value(c.name); !ok || hashValue(v) != hashValue(c.value) {
			return false
		}
	}
	return true
}
