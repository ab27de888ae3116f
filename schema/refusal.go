package schema

import (
	"errors"
	"fmt"
	"strings"
)

// Refusal says why a table cannot be replicated and what to do.
type Refusal struct {
	Table, Cause, Remedy string
	// Inner says that the table is the inside of a virtual one.
	Inner bool
	// Function is the one that a trigger calls and only the application has,
	// where that is the reason.
	Function string
}

func (r *Refusal) Error() string { return fmt.Sprintf("table %s is refused: %s", r.Table, r.Cause) }

// Hint returns what to do.
func (r *Refusal) Hint() string { return r.Remedy }

func (t *Table) refuse(cause, remedy string) error {
	return &Refusal{Table: t.Name, Cause: cause, Remedy: remedy, Inner: t.Shadow}
}

// ErrNoTable is what every NoTable is.
var ErrNoTable = errors.New("no such table")

// NoTable says that there is no table of a name. Near are the most similar
// names of tables that there are.
type NoTable struct {
	Name string
	Near []string
}

func (n *NoTable) Error() string { return fmt.Sprintf("no such table: %s", n.Name) }

// Is makes every NoTable an ErrNoTable.
func (n *NoTable) Is(target error) bool { return target == ErrNoTable }

// Hint names the nearest tables.
func (n *NoTable) Hint() string {
	if len(n.Near) == 0 {
		return "sqlsync tables lists the tables"
	}
	return "did you mean " + strings.Join(n.Near, " or ") + "?"
}
