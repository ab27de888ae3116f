package cdc

import (
	"context"
	"fmt"

	"sqlsync/wire"
)

// keptSome is how many held rows or conflicts are read in one transaction.
const keptSome = 500

// verifyHeld decodes the rows of a table that are held.
func (s *Store) verifyHeld(ctx context.Context, tab *table, found func(Finding) error) error {
	for after, more := []byte{}, true; more; {
		var list []Finding
		err := s.peek(ctx, func(t *tx) error {
			n := 0
			err := t.Query(func(row []any) error {
				n++
				after, _ = row[0].([]byte)
				image, _ := row[1].([]byte)
				key, err := wire.DecodeRow(after)
				if err != nil || len(key) != len(tab.keyCols) {
					list = append(list, tab.finding(DamagedHeld, nil, "its key cannot be read"))
				} else if _, err := decodeImage(image); err != nil {
					list = append(list, tab.finding(DamagedHeld, key, "its values cannot be read"))
				}
				return nil
			}, `SELECT key, image FROM sqlsync_held WHERE table_id = ? AND key > ? ORDER BY key LIMIT ?`, tab.id, after, keptSome)
			more = n == keptSome
			return err
		})
		if err != nil {
			return fmt.Errorf("verify held rows: %w", err)
		}
		if err := each(list, found); err != nil {
			return err
		}
	}
	return nil
}

// verifyConflicts decodes the images of a table's conflicts.
func (s *Store) verifyConflicts(ctx context.Context, tab *table, found func(Finding) error) error {
	for after, more := int64(0), true; more; {
		var list []Finding
		err := s.peek(ctx, func(t *tx) error {
			n := 0
			err := t.Query(func(row []any) error {
				n++
				after, _ = row[0].(int64)
				id, _ := row[1].(string)
				key, _ := row[2].([]byte)
				winner, _ := row[3].([]byte)
				loser, _ := row[4].([]byte)
				if err := new(Conflict).decode(tab.keyCols, key, winner, loser); err != nil {
					list = append(list, tab.finding(DamagedConflict, nil, "conflict %s cannot be read", id))
				}
				return nil
			}, `SELECT rowid, id, key, winner, loser FROM sqlsync_conflict WHERE rowid > ? AND table_id = ? ORDER BY rowid LIMIT ?`, after, tab.id, keptSome)
			more = n == keptSome
			return err
		})
		if err != nil {
			return fmt.Errorf("verify conflicts: %w", err)
		}
		if err := each(list, found); err != nil {
			return err
		}
	}
	return nil
}

func each(list []Finding, found func(Finding) error) error {
	for _, f := range list {
		if err := found(f); err != nil {
			return err
		}
	}
	return nil
}
