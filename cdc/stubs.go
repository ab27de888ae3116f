package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
)

// restub says that a connection needs other stubs than it has. Whoever owns
// the connection opens another and begins again.
type restub struct{ stubs []string }

func (r *restub) Error() string { return fmt.Sprintf("the functions %q are needed by name", r.stubs) }

// triggerText is a trigger of the application's, with its table in lower case.
type triggerText struct {
	schema.Trigger
	table string
}

// settle decides which triggers may call what only the application has. The
// error is a *restub where the connection has not the stubs to tell.
func (v *survey) settle(c *sqlconn.Conn) (allowed map[string]bool, err error) {
	elsewhere, err := v.read(c)
	if err != nil {
		return nil, err
	}
	var want []string
	for _, f := range slices.Sorted(maps.Keys(union(v.missing, v.stubs))) {
		// In the schema itself, a value of it would be stored or compared.
		if elsewhere(f) == "" {
			want = append(want, f)
		}
	}
	if !slices.Equal(want, v.stubs) {
		return nil, &restub{want}
	}
	allowed = make(map[string]bool)
	for name, e := range v.triggers {
		if len(e.stubs) > 0 && v.texts[name].SQL != "" && v.carriesOut(name, make(map[string]bool)) == "" {
			allowed[name] = true
		}
	}
	// A common table expression can have a trigger's name.
	for name := range v.triggers {
		if text := v.texts[name].SQL; !allowed[name] && schema.Says(text, "WITH") && v.callsStub(text) != "" {
			return nil, nil
		}
	}
	return allowed, nil
}

func union(a map[string]bool, b []string) map[string]bool {
	all := maps.Clone(a)
	for _, k := range b {
		all[k] = true
	}
	return all
}

// read reads the application's triggers. The function that it returns says
// which table, index or view a function is used in, "" for none.
func (v *survey) read(c *sqlconn.Conn) (elsewhere func(string) string, err error) {
	v.texts = make(map[string]triggerText)
	type object struct{ name, sql string }
	var others []object
	err = c.Query(func(row []any) error {
		name, table, text := row[1].(string), row[2].(string), row[3].(string)
		if row[0] == "trigger" {
			v.texts[schema.Fold(name)] = triggerText{schema.Trigger{Name: name, SQL: text}, schema.Fold(table)}
		} else {
			others = append(others, object{row[0].(string) + " " + name, text})
		}
		return nil
	}, `SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlsync\_%' ESCAPE '\'`)
	return func(f string) string {
		for _, o := range others {
			if schema.Calls(o.sql, f) {
				return o.name
			}
		}
		return ""
	}, err
}

func (v *survey) callsStub(text string) string {
	for _, f := range v.stubs {
		if schema.Calls(text, f) {
			return f
		}
	}
	return ""
}

// refusal says why a table is refused of which an apply does not compile.
func (v *survey) refusal(c *sqlconn.Conn, table string, cause error) error {
	r := &schema.Refusal{Table: table, Cause: fmt.Sprintf("SQLite cannot write to it: %v", cause), Remedy: "mend the table's triggers"}
	f := schema.Fold(schema.MissingFunction(cause))
	if f == "" {
		return r
	}
	r.Function = f
	r.Cause = fmt.Sprintf("a trigger uses the function %s, which only the application has", f)
	r.Remedy = "take the function out of the trigger, or leave the table to the application"
	elsewhere, err := v.read(c)
	if err != nil {
		return r
	}
	if where := elsewhere(f); where != "" {
		r.Cause += ", and so does the " + where
		return r
	}
	for _, name := range slices.Sorted(maps.Keys(v.triggers)) {
		text := v.texts[name]
		if does := v.carriesOut(name, make(map[string]bool)); does != "" && schema.Calls(text.SQL, f) {
			r.Cause = fmt.Sprintf("its trigger %s uses the function %s, which only the application has, and %s", text.Name, f, does)
			r.Remedy = "take the function out of the trigger, watch what the trigger writes to, or leave the table to the application"
		}
	}
	return r
}

// surveyTriggers finds what application triggers of the watched tables delete
// from, and which of them may call functions that only the application has.
func (t *tx) surveyTriggers() error {
	var jobs []job
	for _, tab := range t.cfg.tables {
		if tab.def != nil && len(tab.def.Triggers) > 0 {
			jobs = append(jobs, job{tab, tab.probes()})
		}
	}
	v := newSurvey(t.cfg, t.s.stubs)
	errs, err := v.compile(t.Conn, jobs)
	if err != nil {
		return err
	}
	if len(v.missing) > 0 || len(v.stubs) > 0 {
		if t.cfg.stubbed, err = v.settle(t.Conn); err != nil {
			return err
		}
		t.cfg.functions = v.mentioned()
		if err := t.Authorize(t.cfg.authorize); err != nil {
			return err
		}
		errs = explainAll(t.Conn, jobs)
		t.Forget()
	}
	for tab, err := range errs {
		tab.broken = v.refusal(t.Conn, tab.name, err)
		tab.waiting = fmt.Sprintf("a trigger cannot run here: %v", err)
		if r := tab.broken.(*schema.Refusal); r.Function != "" {
			tab.waiting = r.Cause
		}
	}
	return nil
}

// mentioned are the functions that triggers use and SQLite does not have.
func (v *survey) mentioned() map[string]bool {
	all := maps.Clone(v.missing)
	for _, e := range v.triggers {
		maps.Copy(all, e.stubs)
	}
	return all
}

// withStubs calls attempt until the writer has the stubs that the database's
// triggers need. It ends: stubs are only added, but for those that the schema
// itself names, which are not added again.
func (s *Store) withStubs(ctx context.Context, attempt func() error) error {
	if s.cfg != nil && slices.ContainsFunc(s.stubs, func(f string) bool { return !s.cfg.functions[f] }) {
		if err := s.openWriter(ctx, slices.DeleteFunc(slices.Clone(s.stubs), func(f string) bool { return !s.cfg.functions[f] })); err != nil {
			return err
		}
	}
	for {
		err := attempt()
		var r *restub
		if !errors.As(err, &r) {
			return err
		}
		if err := s.openWriter(ctx, r.stubs); err != nil {
			return err
		}
	}
}
