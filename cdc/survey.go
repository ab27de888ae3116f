package cdc

import (
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
)

// survey is what triggers do when the writes of an apply are compiled: which
// tables they delete from, and which may call a function that only the
// application has.
//
// They may where no effect of theirs is carried out, because then no value of
// the function's is ever stored and nothing depends on it. The authorizer makes
// the call a NULL at compile time; elsewhere it denies it.
type survey struct {
	cfg *config
	// stubs are the functions that the connection has by name only.
	stubs []string
	// triggers are those that were compiled, by name in lower case. What calls
	// a function inside a common table expression comes under that one's name.
	triggers map[string]*effect
	// missing are the functions that SQLite did not find.
	missing map[string]bool
	// texts are the application's triggers, once they are read.
	texts map[string]triggerText
}

// effect is what one trigger does on our connection.
type effect struct {
	// runs says what of it is carried out, "" if nothing is.
	runs string
	// rewrites are the watched tables of which it may update rows. All that an
	// authorizer can ignore is the new values: triggers on these tables fire.
	rewrites map[string]bool
	stubs    map[string]bool
}

// job is a table and the writes to compile for it.
type job struct {
	tab    *table
	probes []probe
}

func newSurvey(cfg *config, stubs []string) *survey {
	return &survey{cfg: cfg, stubs: stubs, triggers: make(map[string]*effect), missing: make(map[string]bool)}
}

// compile compiles writes. Errors of SQLite's are returned by table.
func (v *survey) compile(c *sqlconn.Conn, jobs []job) (map[*table]error, error) {
	if err := c.Authorize(v.authorize); err != nil {
		return nil, err
	}
	// SQLite does not compile an EXPLAIN anew because the authorizer changed.
	defer c.Forget()
	errs := explainAll(c, jobs)
	for _, err := range errs {
		if f := schema.MissingFunction(err); f != "" {
			v.missing[schema.Fold(f)] = true
		}
	}
	return errs, nil
}

// denying is the authorizer of a connection with stubs that no SQL may call.
func denying(stubs []string) sqlite.AuthorizerFn {
	if len(stubs) == 0 {
		return nil
	}
	return (&config{stubs: stubs}).deny
}

func (c *config) deny(action sqlite.AuthorizerActionCode, _, function, _, _ string) sqlite.AuthorizerReturnCode {
	if action == sqlite.AuthFunction && slices.Contains(c.stubs, schema.Fold(function)) {
		return sqlite.AuthorizerDeny
	}
	return sqlite.AuthorizerOK
}

func explainAll(c *sqlconn.Conn, jobs []job) map[*table]error {
	errs := make(map[*table]error)
	for _, j := range jobs {
		for _, p := range j.probes {
			if err := c.Query(func([]any) error { return nil }, "EXPLAIN "+p.sql, make([]any, p.args)...); err != nil {
				errs[j.tab] = err
			}
		}
	}
	return errs
}

func (v *survey) authorize(action sqlite.AuthorizerActionCode, a, b, db, trigger string) sqlite.AuthorizerReturnCode {
	stub := action == sqlite.AuthFunction && slices.Contains(v.stubs, schema.Fold(b))
	if trigger == "" {
		if stub {
			return sqlite.AuthorizerDeny
		}
		return sqlite.AuthorizerOK
	}
	e := v.effect(trigger)
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
	case sqlite.AuthFunction:
		if stub {
			e.stubs[schema.Fold(b)] = true
			return sqlite.AuthorizerIgnore
		}
	case sqlite.AuthInsert, sqlite.AuthUpdate:
		if v.cfg.authorize(action, a, b, db, trigger) == sqlite.AuthorizerOK {
			e.runs = fmt.Sprintf("writes to %s, which is not watched", a)
			break
		}
		if action == sqlite.AuthUpdate {
			e.rewrites[schema.Fold(a)] = true
		}
		return sqlite.AuthorizerIgnore
	case sqlite.AuthDelete:
		v.cfg.marked[schema.Fold(a)] = true
		e.runs = "deletes from " + a
	default:
		e.runs = "does more than read and write tables"
	}
	return sqlite.AuthorizerOK
}

func (v *survey) effect(trigger string) *effect {
	name := schema.Fold(trigger)
	e := v.triggers[name]
	if e == nil {
		e = &effect{rewrites: make(map[string]bool), stubs: make(map[string]bool)}
		v.triggers[name] = e
	}
	return e
}

// carriesOut says what of a trigger is carried out, or what triggers do that
// it makes fire; "" if nothing is. Our own triggers only mark rows, and a mark
// on a row that has not changed is nothing.
func (v *survey) carriesOut(name string, seen map[string]bool) string {
	e := v.triggers[name]
	switch {
	case e == nil || seen[name] || strings.HasPrefix(name, schema.Prefix):
		return ""
	case e.runs != "":
		return e.runs
	case schema.Calls(v.texts[name].SQL, "RAISE"):
		return "raises an error"
	}
	seen[name] = true
	for other, text := range v.texts {
		if !e.rewrites[text.table] || !text.OnUpdate() {
			continue
		}
		if does := v.carriesOut(other, seen); does != "" {
			return fmt.Sprintf("updates %s, whose trigger %s %s", text.table, text.Name, does)
		}
	}
	return ""
}
