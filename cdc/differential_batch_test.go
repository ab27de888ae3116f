package cdc_test

import (
	"maps"
	"slices"

	"sqlsync/cdc"
	"sqlsync/fixtures/generate"
	"sqlsync/merge"
	"sqlsync/wire"
)

// feed gives the replica the batches that are new and returns their sections.
func (d *trial) feed() []wire.Section {
	d.Helper()
	ctx := d.Context()
	list, err := d.watched.Stream(cdc.DefaultDataset).After(ctx, d.fed, 1<<30)
	if err != nil {
		d.Fatal(err)
	}
	var sections []wire.Section
	for _, h := range list {
		d.fed = h.Pos
		b, err := h.Sealed.Open(wire.Limits{})
		if err != nil {
			d.Fatal(err)
		}
		sections = append(sections, b.Sections...)
		if _, err := d.replica.Stream(cdc.DefaultDataset).Apply(ctx, d.watched.Node(), []*wire.Sealed{h.Sealed}); err != nil {
			d.Fatal(err)
		}
	}
	return sections
}

// checkBatch compares what was sealed with how the tables differ from what
// they were at the seal before.
func (d *trial) checkBatch(sections []wire.Section) {
	d.Helper()
	for _, table := range d.script.Tables {
		before, after := d.before[table.Name], d.image(d.watched, table)
		d.before[table.Name] = after
		d.addInitial(table, before, after)
		said := make(map[string]bool)
		for _, sec := range sections {
			if sec.Table != table.Name {
				continue
			}
			for i := range sec.Changes {
				c := &sec.Changes[i]
				key := make(row)
				for j, name := range sec.Key {
					key[lower(name)] = cellOfValue(c.Key[j])
				}
				id := identity(table.Key, key)
				if said[id] {
					d.Errorf("%q: row %s is in the batch twice", table.Name, id)
				}
				said[id] = true
				d.checkChange(table, &sec, c, id, before.rows[id], after.rows[id])
			}
		}
		for id := range before.rows {
			if after.rows[id] == nil && !said[id] {
				d.Errorf("%q: row %s was deleted and is not in the batch", table.Name, id)
			}
		}
		for id, now := range after.rows {
			changed := after.differing(before.rows[id], now)
			for _, name := range d.loose[table.Name] {
				delete(changed, name)
			}
			if len(changed) > 0 && !said[id] {
				d.Errorf("%q: row %s was\n%v\nis\n%v\nand is not in the batch", table.Name, id, before.rows[id], now)
			}
		}
	}
}

// checkChange compares one change with its row before and after.
func (d *trial) checkChange(table generate.Table, sec *wire.Section, c *wire.Change, id string, was, is row) {
	d.Helper()
	op := merge.Update
	switch {
	case was == nil && is == nil:
		d.Errorf("%q: row %s came and went and is in the batch: %v", table.Name, id, c.Op)
		return
	case was == nil:
		op = merge.Insert
	case is == nil:
		op = merge.Delete
	}
	if c.Op != op {
		d.Errorf("%q: row %s: the batch has its %v, not its %v\nwas %v\nis %v", table.Name, id, c.Op, op, was, is)
		return
	}
	carried := make(row)
	for i, v := range c.Values {
		column := i
		if op == merge.Update {
			column = c.Columns[i]
		}
		carried[lower(sec.Columns[column])] = cellOfValue(v)
	}
	for name, v := range carried {
		if is[name] != v {
			d.Errorf("%q: row %s: the batch has %s for %q, the table %s", table.Name, id, v, name, is[name])
		}
	}
	if op != merge.Update {
		if op == merge.Insert && len(carried) != len(sec.Columns) {
			d.Errorf("%q: row %s: its insert has %d columns of %d", table.Name, id, len(carried), len(sec.Columns))
		}
		return
	}
	// A row that went and came again is written as a whole, and a renamed
	// column is a new one.
	changed := (&image{stored: slices.Collect(maps.Keys(is))}).differing(was, is)
	renamed := false
	for _, name := range d.loose[table.Name] {
		renamed = renamed || carried[name] != ""
		delete(carried, name)
		delete(changed, name)
	}
	whole := len(c.Values) == len(sec.Columns) && (len(changed) > 0 || renamed)
	for name := range carried {
		if !changed[name] && !whole {
			d.Errorf("%q: row %s: column %q did not change and is in the batch:\nwas %v\nis %v", table.Name, id, name, was, is)
		}
	}
	for _, name := range sec.Columns {
		if name = lower(name); changed[name] && carried[name] == "" {
			d.Errorf("%q: row %s: column %q changed and is not in the batch:\nwas %v\nis %v", table.Name, id, name, was, is)
		}
	}
}

// differing are the stored columns in which a row is not what it was.
func (im *image) differing(was, is row) map[string]bool {
	list := make(map[string]bool)
	for _, name := range im.stored {
		if was[name] != is[name] {
			list[name] = true
		}
	}
	return list
}

// addInitial gives rows from before a column was added the value that they
// then have in it.
func (d *trial) addInitial(table generate.Table, before, after *image) {
	d.Helper()
	for _, name := range after.stored {
		if before.rows == nil || slices.Contains(before.stored, name) {
			continue
		}
		if slices.Contains(d.loose[table.Name], name) {
			for id, r := range before.rows {
				r[name] = after.rows[id][name]
			}
			continue
		}
		v := d.initial(table.Name, name)
		for _, r := range before.rows {
			r[name] = v
		}
	}
}
