package cdc

import (
	"fmt"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/wire"
)

// insertRows inserts rows that are not in the table, in one statement if that
// goes, else one by one, so that one that is refused stops no other.
func (a *applier) insertRows(list []*action, news *[]remembered, again *[]wire.Change) error {
	if a.metaOnly {
		a.bearAll(list, news)
		return nil
	}
	args := make([]any, 0, len(list)*(len(a.tab.key)+len(a.insert)))
	for _, act := range list {
		args = a.insertArgs(args, act)
	}
	changed, err := a.Exec(a.tab.tableSQL.insert(list[0].cells, len(list)), args...)
	switch {
	case err == nil && changed == int64(len(list)):
	case err != nil && !refusable(err):
		return fmt.Errorf("insert rows: %w", err)
	case len(list) > 1:
		for i := range list {
			if err := a.insertRows(list[i:i+1], news, again); err != nil {
				return err
			}
		}
		return nil
	default:
		return a.refusedInsert(list[0], err, news, again)
	}
	a.bearAll(list, news)
	return nil
}

func (a *applier) bearAll(list []*action, news *[]remembered) {
	for _, act := range list {
		a.bear(act)
		*news = append(*news, remembered{act.c.Key, act.m})
		if !a.metaOnly {
			a.suspectRow(suspect{a.tab, act.c.Key, a.saw}, act.cells, act.values, false)
		}
	}
}

// bear makes the metadata that of the row the change carries.
func (a *applier) bear(act *action) {
	var h hashes
	if !a.tab.appends() {
		h = make(hashes, a.tab.slots*hashSize)
		for i, cell := range act.cells {
			putHash(h[a.tab.cells[cell].slot*hashSize:], hashValue(act.values[i]))
		}
	}
	*act.m = meta{row: act.out.Row, hashes: h}
	a.bearStates(act)
}

// insertArgs appends the values of a row as tableSQL.insert orders them. Key
// cells are left out, the key itself has the same bytes.
func (a *applier) insertArgs(args []any, act *action) []any {
	args = append(args, act.c.Key...)
	for i, cell := range act.cells {
		if a.tab.cells[cell].key < 0 {
			args = append(args, act.values[i])
		}
	}
	return args
}

// refusable reports whether an error concerns the row and not the database.
func refusable(err error) bool { return err == nil || sqlconn.Constraint(err) || sqlconn.RowError(err) }

// refusedInsert settles one row that could not be inserted.
func (a *applier) refusedInsert(act *action, cause error, news *[]remembered, again *[]wire.Change) error {
	if !a.adopting {
		there, err := a.rowThere(a.tab, act.c.Key)
		if err != nil {
			return err
		}
		if there { // nobody marked it: seal it, then merge with it
			*again = append(*again, *act.c)
			return nil
		}
	}
	a.bear(act)
	if err := a.holdRow(a.tab, act.m, act.c.Key, act.cells, act.values, cause); err != nil {
		return err
	}
	*news = append(*news, remembered{act.c.Key, act.m})
	return nil
}

// adopt seals rows that were found in the table without metadata, which is so
// when capture was bypassed, and merges the changes that met them.
func (a *applier) adopt(changes []wire.Change) error {
	for i := range changes {
		if err := a.mark(a.tab, changes[i].Key); err != nil {
			return err
		}
	}
	if err := a.sealAll(a.tab.ds); err != nil {
		return err
	}
	again := *a
	again.adopting = true
	return again.apply(changes)
}
