package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// chaosSchema is what the applications of a chaos write to: notes that stay,
// cells that all nodes write, names of which each may be there once, and counters.
const chaosSchema = `CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT);
CREATE TABLE cells (id INTEGER PRIMARY KEY, token TEXT, other TEXT);
CREATE TABLE names (id TEXT PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);`

const (
	chaosCells  = 400
	chaosNames  = 40
	chaosCounts = 3
)

// ledger knows what applications saw committed.
type ledger struct {
	mu sync.Mutex
	// written are the tokens of cells, replaced those that somebody read before
	// writing or deleting over them.
	written      map[string]int // the row
	replaced     map[string]bool
	notes, names map[string]bool
	counts       [chaosCounts]int
}

func newLedger() *ledger {
	return &ledger{written: make(map[string]int), replaced: make(map[string]bool), notes: make(map[string]bool), names: make(map[string]bool)}
}

// step is one transaction of an application: its SQL, and what it has done when
// it is committed and has printed these lines.
type step struct {
	sql  string
	done func(l *ledger, printed []string)
}

// writer is the application of one node: the sqlite3 program, again and again.
type writer struct {
	*node
	rand *rand.Rand
	n    int // steps so far

	mu     sync.Mutex // held while it writes
	ledger *ledger
}

// steps are what one run of the program does.
func (w *writer) steps() []step {
	var list []step
	for range 2 + w.rand.IntN(5) {
		w.n++
		token := fmt.Sprintf("%s-%d", w.name, w.n)
		switch w.rand.IntN(6) {
		case 0, 1:
			list = append(list, step{fmt.Sprintf(`INSERT INTO notes VALUES ('%s', '%s');`, token, strings.Repeat("x", w.rand.IntN(400))),
				func(l *ledger, _ []string) { l.notes[token] = true }})
		case 2, 3:
			list = append(list, w.writeCell(token))
		case 4:
			list = append(list, step{fmt.Sprintf(`INSERT OR IGNORE INTO names VALUES ('%s', 'name %d'); SELECT changes();`, token, w.rand.IntN(chaosNames)),
				func(l *ledger, printed []string) {
					if printed[0] == "1" {
						l.names[token] = true
					}
				}})
		case 5:
			i, by := w.rand.IntN(chaosCounts), 1+w.rand.IntN(3)
			list = append(list, step{fmt.Sprintf(`UPDATE counts SET n = n + %d WHERE id = %d;`, by, i),
				func(l *ledger, _ []string) { l.counts[i] += by }})
		}
	}
	return list
}

// writeCell reads a cell and writes over it, or deletes its row.
func (w *writer) writeCell(token string) step {
	id := w.rand.IntN(chaosCells)
	read := fmt.Sprintf(`SELECT coalesce((SELECT token FROM cells WHERE id = %d), '');`, id)
	if w.rand.IntN(8) == 0 {
		return step{read + fmt.Sprintf(`DELETE FROM cells WHERE id = %d;`, id), func(l *ledger, printed []string) { l.replaced[printed[0]] = true }}
	}
	change := fmt.Sprintf(`UPDATE cells SET token = '%s' WHERE id = %d; SELECT changes();`, token, id)
	if w.rand.IntN(3) == 0 {
		change = fmt.Sprintf(`INSERT OR REPLACE INTO cells (id, token) VALUES (%d, '%s'); SELECT 1;`, id, token)
	}
	return step{read + change, func(l *ledger, printed []string) {
		if printed[1] == "1" {
			l.written[token], l.replaced[printed[0]] = id, true
		}
	}}
}

// run does some steps, each in a transaction, and enters what was committed.
func (w *writer) run() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.steps()
	var script strings.Builder
	for _, s := range list {
		fmt.Fprintf(&script, "BEGIN IMMEDIATE; %s COMMIT; SELECT '.';\n", s.sql)
	}
	cmd := exec.Command("sqlite3", "-bail", "-cmd", ".timeout 60000", w.path)
	cmd.Stdin = strings.NewReader(script.String())
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	var printed []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSuffix(line, "\n"); line != "." {
			printed = append(printed, line)
			continue
		}
		list[0].done(w.ledger, printed)
		list, printed = list[1:], nil
	}
	if err != nil {
		return fmt.Errorf("%s: sqlite3: %w: %s", w.name, err, said.String())
	}
	return nil
}

// rest leaves the machine to others for a while.
func (w *writer) rest(ctx context.Context) { pause(ctx, 20+w.rand.IntN(100)) }

// check looks for everything that was committed in the tables of one of the
// nodes, which are all equal, and in the conflicts of all.
func (l *ledger) check(tb testing.TB, nodes []*node) {
	tb.Helper()
	listed := make(map[string]bool)
	for _, n := range nodes {
		var list []struct{ Winner, Loser map[string]any }
		if err := json.Unmarshal([]byte(n.must("conflicts", "list", "--json")), &list); err != nil {
			tb.Fatal(err)
		}
		for _, c := range list {
			for _, image := range []map[string]any{c.Winner, c.Loser} {
				for _, v := range image {
					if s, ok := v.(string); ok {
						listed[s] = true
					}
				}
			}
		}
	}
	here := func(query string) map[string]bool {
		m := make(map[string]bool)
		for line := range strings.Lines(nodes[0].sqlite(query)) {
			m[strings.TrimSuffix(line, "\n")] = true
		}
		return m
	}
	notes, cells, names := here(`SELECT id FROM notes`), here(`SELECT token FROM cells`), here(`SELECT id FROM names`)
	for id := range l.notes {
		if !notes[id] {
			tb.Errorf("note %s is lost", id)
		}
	}
	for token, id := range l.written {
		if !cells[token] && !l.replaced[token] && !listed[token] {
			tb.Errorf("cell %s is lost and not listed; its row became\n%s", token, history(nodes[0], id, token))
		}
	}
	for id := range l.names {
		if !names[id] && !listed[id] && !l.shown(nodes, id) {
			tb.Errorf("name %s is lost and not listed", id)
		}
	}
	for i, want := range l.counts {
		if got := nodes[0].sqlite(fmt.Sprintf(`SELECT n FROM counts WHERE id = %d`, i)); got != strconv.Itoa(want) {
			tb.Errorf("counter %d is %s, want %d", i, got, want)
		}
	}
	tb.Logf("%d notes, %d cells, %d names, %v counted; %d values listed", len(l.notes), len(l.written), len(l.names), l.counts, len(listed))
}

// history is what happened to a cell about the time of a token, as far as it is
// still told.
func history(n *node, id int, token string) string {
	lines := strings.SplitAfter(n.must("log", "--table", "cells", "--key", strconv.Itoa(id), "--limit", "100000"), "\n")
	for i, line := range lines {
		if strings.Contains(line, token) {
			return strings.Join(lines[max(0, i-6):min(len(lines), i+7)], "")
		}
	}
	return "not in the log\n"
}

// shown reports whether a row that is kept aside is named by the list, whose
// images leave the key out.
func (l *ledger) shown(nodes []*node, id string) bool {
	for _, n := range nodes {
		if strings.Contains(n.must("conflicts", "list", "--json"), `"`+id+`"`) {
			return true
		}
	}
	return false
}
