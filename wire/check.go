package wire

import (
	"errors"
	"fmt"

	"sqlsync/merge"
)

// check says why no one would open the batch. What is sealed is in the chain
// for good, so it is found out before.
func (b *Batch) check() error {
	h := &b.Header
	switch {
	case h.Dataset == "" || len(h.Dataset) > maxName:
		return errors.New("name of the dataset is empty or too long")
	case h.Seq == 0:
		return errors.New("batches are numbered from 1")
	case h.First <= 0 || h.Last < h.First:
		return errors.New("first and last timestamp are not in order")
	case len(h.Seen) > maxHorizons:
		return errors.New("more origins than a batch can name")
	case len(b.Sections) > maxSections:
		return errors.New("more tables than a batch can hold")
	}
	for _, s := range h.Seen {
		if s.HLC < 0 {
			return errors.New("what was seen has a negative timestamp")
		}
	}
	for i := range b.Sections {
		s := &b.Sections[i]
		if err := s.check(); err != nil {
			return fmt.Errorf("table %s: %w", s.Table, err)
		}
		if n := len(s.Changes); n > 0 && (s.Changes[0].HLC < h.First || s.Changes[n-1].HLC > h.Last) {
			return fmt.Errorf("table %s: a change is outside the batch's time", s.Table)
		}
	}
	return nil
}

func (s *Section) check() error {
	if len(s.Table) > maxName || len(s.Key) > maxColumns || len(s.Columns) > maxColumns {
		return errors.New("name too long, or too many columns")
	}
	for _, list := range [][]string{s.Key, s.Columns} {
		for _, name := range list {
			if len(name) > maxName {
				return errors.New("name of a column is too long")
			}
		}
	}
	l := Limits{}.withDefaults()
	cells := 0
	last := merge.HLC(0)
	for i := range s.Changes {
		c := &s.Changes[i]
		if c.HLC <= last {
			return fmt.Errorf("change %d: timestamps do not rise", i)
		}
		if err := s.checkValues(c); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		last = c.HLC
		cells += len(c.Key) + len(c.Values)
	}
	if len(s.Changes) > l.MaxChanges || cells > l.MaxCells {
		return fmt.Errorf("%d changes with %d values are more than a batch can hold", len(s.Changes), cells)
	}
	return nil
}

func (s *Section) checkValues(c *Change) error {
	want := len(c.Columns)
	switch c.Op {
	case merge.Insert:
		want = len(s.Columns)
	case merge.Delete:
		want = 0
	case merge.Update:
	default:
		return errors.New("unknown operation")
	}
	if len(c.Key) != len(s.Key) || len(c.Values) != want {
		return fmt.Errorf("%d key values for %d columns, %d values for %d", len(c.Key), len(s.Key), len(c.Values), want)
	}
	last := -1
	for _, col := range c.Columns {
		if col <= last || col >= len(s.Columns) {
			return errors.New("columns do not rise")
		}
		last = col
	}
	return nil
}
