package cdc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sqlsync/schema"
)

// Who gives out the ids of a table.
const (
	idsShared = "shared" // whoever inserts; the same id on two nodes is a conflict
	idsLocal  = "local"  // every node for itself, rows have other ids elsewhere
	idsRange  = "range"  // whoever inserts, from a range of the node's own
	idsRekey  = "rekey"  // whoever inserts; the loser of a conflict gets another
)

// IDSchemes lists who can give out ids, for people.
const IDSchemes = "shared, local, range or rekey"

// Check looks at what can be told of the options without a table.
func (o WatchOptions) Check(ctx context.Context) error {
	switch _, ofCells := kindNamed(o.Policy); {
	case o.Policy == "", o.Policy == policyRow, o.Policy == policyAppend:
	case !ofCells:
		return fmt.Errorf("merge policy %q: must be %s", o.Policy, Policies)
	default:
		if err := checkPolicy(ctx, o.Policy); err != nil {
			return err
		}
	}
	for _, column := range slices.Sorted(maps.Keys(o.Columns)) {
		policy := o.Columns[column]
		if _, ok := kindNamed(policy); !ok {
			return fmt.Errorf("merge policy %q of column %s: must be lww, json, counter, max, min or sql:EXPR", policy, column)
		}
		if err := checkPolicy(ctx, policy); err != nil {
			return fmt.Errorf("column %s: %w", column, err)
		}
	}
	switch o.IDs {
	case "", idsShared, idsLocal, idsRange, idsRekey:
		return nil
	}
	return fmt.Errorf("ids %q: must be %s", o.IDs, IDSchemes)
}

func checkPolicy(ctx context.Context, policy string) error {
	expr, ok := strings.CutPrefix(policy, policySQL)
	if !ok {
		return nil
	}
	if err := checkExpression(ctx, expr); err != nil {
		return fmt.Errorf("merge expression %q: %w", expr, err)
	}
	return nil
}

// merging is what the options make of how a table merged before.
func (o WatchOptions) merging(old merging) merging {
	m := merging{policy: old.policy, IDs: old.IDs, Columns: maps.Clone(old.Columns)}
	if o.Policy != "" {
		m.policy = o.Policy
	}
	if o.IDs != "" {
		m.IDs = o.IDs
	}
	if m.IDs == idsShared {
		m.IDs = ""
	}
	for name, policy := range o.Columns {
		if m.Columns == nil {
			m.Columns = make(map[string]string)
		}
		m.Columns[schema.Fold(name)] = policy
	}
	maps.DeleteFunc(m.Columns, func(_, policy string) bool { return policy == m.policy })
	return m
}

// check refuses what a table cannot be merged by. The error is a *Refusal.
func (m merging) check(def *schema.Table, key schema.Key) error {
	refuse := func(cause, remedy string) error {
		return &schema.Refusal{Table: def.Name, Cause: cause, Remedy: remedy}
	}
	_, ofCells := kindNamed(m.policy)
	if !ofCells && len(m.Columns) > 0 {
		return refuse(fmt.Sprintf("its rows are merged whole (%s), so its columns cannot have policies of their own", m.policy),
			"give each column lww (--column NAME=lww), or use --merge lww")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		i := def.Column(name)
		if i < 0 {
			return refuse(fmt.Sprintf("it has no column %q", name), "name one of its columns with --column")
		}
		if why := unfit(def, key, i, m.Columns[name]); why != "" {
			return refuse(fmt.Sprintf("column %s cannot be merged by %s: %s", def.Columns[i].Name, m.Columns[name], why), "use another policy for it")
		}
	}
	if ofCells && m.policy != policyLWW && !slices.ContainsFunc(def.Stored(), func(i int) bool {
		return m.policyOf(def, key, def.Columns[i].Name) == m.policy
	}) {
		return refuse(fmt.Sprintf("none of its columns can be merged by %s", m.policy), "use another policy")
	}
	return m.checkIDs(def, key, refuse)
}

func (m merging) checkIDs(def *schema.Table, key schema.Key, refuse func(cause, remedy string) error) error {
	integer := len(key) == 1 && def.Columns[key[0]].Affinity == schema.Integer
	switch {
	case m.IDs == "":
	case m.IDs == idsLocal && m.policy != policyAppend:
		return refuse("ids are local only in tables to which rows are only added", "use --merge append with it")
	case m.IDs == idsLocal && (len(key) != 1 || key[0] != def.RowidAlias):
		return refuse("local ids need an INTEGER PRIMARY KEY", "leave out --ids")
	case m.IDs == idsRange && !def.Autoincrement():
		return refuse("ranges of ids need an INTEGER PRIMARY KEY AUTOINCREMENT, whose next id SQLite keeps in sqlite_sequence", "use --ids rekey, or leave it out")
	case m.IDs == idsRekey && !integer:
		return refuse("only a key of a single INTEGER column can be given anew", "leave out --ids")
	}
	return nil
}

// How the merging of a table is told in a Schema's options.
const (
	optionIDs    = "ids"
	optionColumn = "column."
)

func (m merging) schemaOptions() map[string]string {
	o := make(map[string]string)
	for name, policy := range m.Columns {
		o[optionColumn+name] = policy
	}
	if m.IDs != "" {
		o[optionIDs] = m.IDs
	}
	return o
}

func columnOptions(o map[string]string) map[string]string {
	columns := make(map[string]string)
	for name, policy := range o {
		if column, ok := strings.CutPrefix(name, optionColumn); ok {
			columns[column] = policy
		}
	}
	return columns
}
