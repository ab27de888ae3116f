package cdc

import (
	"context"
	"errors"
	"fmt"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
)

// callsFunction reports whether a refusal is for a function in a trigger.
func callsFunction(refused error) bool {
	var r *schema.Refusal
	return errors.As(refused, &r) && r.Function != ""
}

// checkDefinition is schema.Check with CHECK constraints, which the writer ignores where
// it is not told otherwise.
func (t *tx) checkDefinition(def *schema.Table, key schema.Key) error {
	t.Forget() // this pragma acts when it is compiled, not when it is run
	if _, err := t.Exec(`PRAGMA ignore_check_constraints = 0`); err != nil {
		return err
	}
	err := schema.Check(t.ctx, t.Conn, def, key)
	if _, perr := t.Exec(`PRAGMA ignore_check_constraints = 1`); perr != nil {
		return perr
	}
	return err
}

// watchAgain tries again what was refused for a function in a trigger: once
// the tables that the trigger writes to are watched, it may be harmless.
func (s *Store) watchAgain(ctx context.Context, list []Verdict, o WatchOptions) error {
	for better := true; better; {
		better = false
		for i := range list {
			if !callsFunction(list[i].Refused) {
				continue
			}
			v, err := s.watch(ctx, list[i].Table, o)
			if err != nil {
				return err
			}
			list[i], better = v, better || v.Refused == nil
		}
	}
	return nil
}

// reconsider gives tables that are refused for a function in a trigger the
// verdict that they have when all the others are watched. It only reads.
func reconsider(ctx context.Context, path string, list []TableStatus) error {
	for stubs := []string(nil); ; {
		err := reconsiderWith(ctx, path, list, stubs)
		var r *restub
		if !errors.As(err, &r) {
			return err
		}
		stubs = r.stubs
	}
}

func reconsiderWith(ctx context.Context, path string, list []TableStatus, stubs []string) error {
	db, err := sqlconn.OpenDB(sqlconn.DSN(path, "mode=rw", "_pragma=query_only(1)", "_pragma=busy_timeout(5000)"), stubs)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := sqlconn.Open(ctx, db)
	if err != nil {
		return err
	}
	defer c.Close()
	for watched := assumed(list); ; {
		refused, err := watched.compile(ctx, c, list, stubs)
		if err != nil {
			return err
		}
		for i := range list {
			if err, ok := refused[list[i].Name]; ok {
				list[i].Refused = err
				delete(watched, schema.Fold(list[i].Name))
			}
		}
		if len(refused) > 0 {
			continue
		}
		for i := range list {
			if callsFunction(list[i].Refused) && watched[schema.Fold(list[i].Name)] != nil {
				list[i].Refused = nil
			}
		}
		return nil
	}
}

// assumption is a set of tables that are taken as watched, by lower-case name.
type assumption map[string]*table

func assumed(list []TableStatus) assumption {
	a := make(assumption)
	for i, st := range list {
		if st.Watched || st.Refused == nil || callsFunction(st.Refused) {
			a[schema.Fold(st.Name)] = &table{id: int64(i + 1), name: st.Name}
		}
	}
	return a
}

// compile gives the refusals that follow from what triggers would do.
func (a assumption) compile(ctx context.Context, c *sqlconn.Conn, list []TableStatus, stubs []string) (map[string]error, error) {
	cfg := &config{byName: a, marked: make(map[string]bool), stubs: stubs}
	v := newSurvey(cfg, stubs)
	var jobs []job
	for _, st := range list {
		tab := a[schema.Fold(st.Name)]
		if tab == nil || st.Watched {
			continue
		}
		def, err := schema.Load(ctx, c, st.Name)
		if err != nil {
			return nil, err
		}
		key, err := def.Key(st.Key)
		if err != nil {
			continue // its verdict does not depend on triggers
		}
		j := job{tab: tab}
		for _, text := range def.Writes(key) {
			j.probes = append(j.probes, probe{sql: text})
		}
		jobs = append(jobs, j)
	}
	if _, err := v.compile(c, jobs); err != nil {
		return nil, err
	}
	var err error
	if cfg.stubbed, err = v.settle(c); err != nil {
		return nil, err
	}
	if err := c.Authorize(cfg.authorize); err != nil {
		return nil, err
	}
	defer c.Forget()
	refused := make(map[string]error)
	for tab, err := range explainAll(c, jobs) {
		refused[tab.name] = v.refusal(c, tab.name, err)
	}
	if err := c.Authorize(nil); err != nil {
		return nil, fmt.Errorf("take the authorizer off: %w", err)
	}
	return refused, nil
}
