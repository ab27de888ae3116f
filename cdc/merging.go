package cdc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/schema"
)

// merging is how a table merges, as watch was told.
type merging struct {
	// policy is the table's, Columns are those of columns by lower-case name.
	policy  string
	Columns map[string]string `json:"columns,omitempty"`
	// IDs says who gives out ids, see the ids constants; "" is shared.
	IDs string `json:"ids,omitempty"`
}

// Policies of tables and columns by the names that people use. An expression
// follows policySQL.
const (
	policyLWW     = "lww"
	policyRow     = "row"
	policyAppend  = "append"
	policyCounter = "counter"
	policyJSON    = "json"
	policyMax     = "max"
	policyMin     = "min"
	policySQL     = "sql:"
)

// Policies lists what a table can be merged by, for people.
const Policies = "lww, row, append, json, counter, max, min or sql:EXPR"

// kinds of the policies that cells can have.
var kinds = map[string]cell.Kind{
	policyLWW: cell.LastWriter, policyCounter: cell.Sum, policyJSON: cell.Paths, policyMax: cell.Largest, policyMin: cell.Smallest,
}

func kindNamed(policy string) (cell.Kind, bool) {
	if strings.HasPrefix(policy, policySQL) {
		return cell.Expression, true
	}
	k, ok := kinds[policy]
	return k, ok
}

func decodeMerging(policy, options string) (merging, error) {
	var m merging
	if options != "" {
		if err := json.Unmarshal([]byte(options), &m); err != nil {
			return m, err
		}
	}
	m.policy = policy
	return m, nil
}

func (m merging) options() any {
	if len(m.Columns) == 0 && m.IDs == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// text spells it all, as nodes compare it and people read it.
func (m merging) text() string {
	parts := []string{m.policy}
	for _, c := range slices.Sorted(maps.Keys(m.Columns)) {
		parts = append(parts, c+"="+m.Columns[c])
	}
	if m.IDs != "" {
		parts = append(parts, "ids="+m.IDs)
	}
	return strings.Join(parts, " ")
}

// of is the policy of a column.
func (m merging) of(column string) string {
	if p, ok := m.Columns[strings.ToLower(column)]; ok {
		return p
	}
	return m.policy
}

func (m merging) equal(o merging) bool { return m.text() == o.text() }

func (m merging) rule() merge.Policy {
	if m.policy == policyRow {
		return merge.WholeRow
	}
	return merge.LWW
}

func (tab *table) policyText() string { return tab.merging.text() }

// special reports whether a cell of the table has a policy of its own.
func (tab *table) special() bool {
	return tab.specials > 0
}

// merges reports whether a cell has a policy of its own.
func (tab *table) merges(c int) bool { return tab.cells[c].policy.Kind != cell.LastWriter }

// assignPolicies gives every cell its policy.
func (t *tx) assignPolicies(tab *table) error {
	for i := range tab.cells {
		c := &tab.cells[i]
		policy := tab.merging.policyOf(tab.def, tab.key, c.name)
		kind, _ := kindNamed(policy)
		if c.policy.Kind = kind; kind == cell.Expression {
			c.policy.Eval = t.expression(strings.TrimPrefix(policy, policySQL))
		}
		if kind == cell.Sum || kind == cell.Paths {
			tab.shadows = append(tab.shadows, i)
		}
		if kind != cell.LastWriter {
			tab.specials++
		}
	}
	return nil
}

// policyOf is the policy of one column: its own if watch was told one, else the
// table's if that fits.
func (m merging) policyOf(def *schema.Table, key schema.Key, column string) string {
	if p, ok := m.Columns[schema.Fold(column)]; ok {
		return p
	}
	i := def.Column(column)
	if _, ok := kindNamed(m.policy); !ok || i < 0 || unfit(def, key, i, m.policy) != "" || def.Refers(i) || def.InUnique(i) {
		return policyLWW
	}
	return m.policy
}

// unfit says why a column cannot have a policy, "" if it can.
func unfit(def *schema.Table, key schema.Key, i int, policy string) string {
	col := &def.Columns[i]
	kind, _ := kindNamed(policy)
	switch {
	case keyPlace(key, i) >= 0:
		return "it is in the key"
	case col.Generated:
		return "it is generated"
	case kind == cell.Sum && col.Affinity != schema.Integer && col.Affinity != schema.Real && col.Affinity != schema.Numeric:
		return fmt.Sprintf("a counter needs numbers, and the column's type is %s", typeName(col))
	case kind == cell.Sum && strings.Contains(strings.ToUpper(col.Type), "JSON"):
		return fmt.Sprintf("a counter needs numbers, and the column's type is %s", typeName(col))
	case kind == cell.Paths && (col.Affinity == schema.Integer || col.Affinity == schema.Real):
		return fmt.Sprintf("JSON needs text, and the column's type is %s", typeName(col))
	case kind == cell.Paths && col.Affinity == schema.Numeric && !strings.Contains(strings.ToUpper(col.Type), "JSON"):
		return fmt.Sprintf("JSON needs text, and the column's type is %s", typeName(col))
	}
	return ""
}

func typeName(c *schema.Column) string {
	if c.Type == "" {
		return "none"
	}
	return c.Type
}
