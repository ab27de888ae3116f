package replicatetest

import (
	"database/sql"
	"errors"

	"modernc.org/sqlite"
)

// constraint is SQLITE_CONSTRAINT.
const constraint = 19

// refused reports whether an application's statement failed by its own
// constraints, as some do.
func refused(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == constraint
}

// Write lets the application commit one transaction, or fail to.
func (n *Node) Write() {
	n.enter()
	t := &n.w.tables[n.w.rand.IntN(len(n.w.tables))]
	if !n.watches[t.Name] && !n.away[t.Name] { // what is written before does not matter here
		return
	}
	list := t.Write(&n.draw)
	n.w.Counts.Statements++
	err := n.run(list)
	n.w.Note("write %d %v %v", n.index, list, err)
	switch {
	case err == nil && n.away[t.Name]: // it is sealed elsewhere
	case err == nil:
		n.touch(t.Name)
		for _, name := range t.Touches {
			n.touch(name)
		}
	case refused(err):
		n.w.Counts.Refused++
	default:
		n.w.tb.Errorf("node %d: %v: %v", n.index, list, err)
	}
}

func (n *Node) run(list []Statement) (err error) {
	if len(list) == 1 {
		return n.runOne(list[0])
	}
	if err := n.runOne(Statement{SQL: `BEGIN IMMEDIATE`}); err != nil {
		return err
	}
	for _, st := range list {
		if err := n.runOne(st); err != nil {
			return errors.Join(err, n.runOne(Statement{SQL: `ROLLBACK`}))
		}
	}
	return n.runOne(Statement{SQL: `COMMIT`})
}

func (n *Node) runOne(st Statement) error {
	s, err := n.prepare(st.SQL)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(background, st.Args...)
	return err
}

func (n *Node) prepare(q string) (*sql.Stmt, error) {
	if s := n.stmts[q]; s != nil {
		return s, nil
	}
	s, err := n.app.PrepareContext(background, q)
	if err == nil {
		n.stmts[q] = s
	}
	return s, err
}
