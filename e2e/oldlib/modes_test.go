//go:build cgo

package oldlib_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// busy is how many milliseconds the old library waits for a lock here, as
// applications do. It sleeps for whole seconds between tries, so it has five.
const busy = 5000

// Applications that keep a connection of the old library open from before
// watch until after uninstall read and write on both nodes at once, in every
// journal mode, and meet no error.
func TestJournalModes(t *testing.T) {
	for _, mode := range []string{"delete", "persist", "wal"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			a, b := newNode(t, dir, "a"), newNode(t, dir, "b")
			var apps []*app
			for i, n := range []*node{a, b} {
				p := newApp(t, n, i)
				p.must(`PRAGMA journal_mode = ` + mode)
				p.must(`CREATE TABLE sales (till INTEGER, nr INTEGER, cents INTEGER, PRIMARY KEY (till, nr))`)
				p.must(`CREATE TABLE tills (id INTEGER PRIMARY KEY, name TEXT UNIQUE, sold INTEGER DEFAULT 0)`)
				p.must(`CREATE TRIGGER sold AFTER INSERT ON sales BEGIN UPDATE tills SET sold = sold + NEW.cents WHERE id = NEW.till; END`)
				p.must(fmt.Sprintf(`INSERT INTO tills (id, name) VALUES (%d, 'till %d')`, i, i))
				apps = append(apps, p)
				n.must("watch", "--all")
				p.readsSchema(true)
			}
			a.must("remote", "add", b.name, b.must("key"))
			b.must("remote", "add", a.name, a.must("key"), "--addr", a.addr)
			a.serve()
			b.serve()
			var all sync.WaitGroup
			for _, p := range apps {
				all.Go(p.sell)
				all.Go(p.look)
			}
			all.Wait()
			waitEqual(t, a, b)
			for _, p := range apps {
				p.must(`VACUUM`)
				p.must(fmt.Sprintf(`DELETE FROM sales WHERE till = %d AND nr %% 2 = 0`, p.till))
			}
			waitEqual(t, a, b)
			for _, p := range apps {
				p.node.stop()
				p.check(mode)
				p.node.must("uninstall", "--yes")
				p.readsSchema(false)
				p.must(`INSERT INTO sales VALUES (9, 9, 9)`)
				p.check(mode)
			}
		})
	}
}

// app is an application with a connection to write and one to read.
type app struct {
	node         *node
	till         int
	write, watch *sql.DB
}

func newApp(t *testing.T, n *node, till int) *app {
	t.Helper()
	p := &app{node: n, till: till}
	for _, db := range []**sql.DB{&p.write, &p.watch} {
		var err error
		if *db, err = openOld(n.path, busy); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*db).Close() })
	}
	return p
}

// must executes a statement; it is called by the test's goroutine alone.
func (p *app) must(statement string) []string {
	p.node.t.Helper()
	rows, err := rowsOf(p.write, statement)
	if err != nil {
		p.node.t.Fatalf("%s: %s: %v", p.node.name, statement, err)
	}
	return rows
}

// readsSchema reads all of sqlite_master.
func (p *app) readsSchema(watched bool) {
	p.node.t.Helper()
	rows := strings.Join(p.must(`SELECT * FROM sqlite_master`), "\n")
	if strings.Contains(rows, "sqlsync_") != watched || !strings.Contains(rows, "CREATE TRIGGER sold") {
		p.node.t.Errorf("%s: the schema is\n%s", p.node.name, rows)
	}
}

const sales = 150

// sell commits transactions, one at a time.
func (p *app) sell() {
	for nr := range sales {
		begin := []string{`BEGIN`, `BEGIN IMMEDIATE`, `BEGIN EXCLUSIVE`}[nr%3]
		for _, q := range []string{
			begin,
			fmt.Sprintf(`INSERT INTO sales VALUES (%d, %d, 1)`, p.till, nr),
			fmt.Sprintf(`UPDATE sales SET cents = %d WHERE till = %d AND nr = %d`, nr, p.till, nr),
			fmt.Sprintf(`INSERT OR REPLACE INTO sales VALUES (%d, -1, 0)`, p.till),
			`COMMIT`,
		} {
			if _, err := rowsOf(p.write, q); err != nil {
				p.node.t.Errorf("%s: sale %d: %s: %v", p.node.name, nr, q, err)
				rowsOf(p.write, `ROLLBACK`)
				return
			}
		}
	}
}

// look reads while there is selling; what is added up is never half there.
func (p *app) look() {
	for range sales {
		rows, err := rowsOf(p.watch, `SELECT (SELECT count(*) FROM sales WHERE nr >= 0), (SELECT sum(sold) FROM tills)`)
		if err != nil {
			p.node.t.Errorf("%s: read: %v", p.node.name, err)
			return
		}
		if n, sum, _ := strings.Cut(rows[0], "|"); n != sum {
			p.node.t.Errorf("%s: %s sales, %s sold", p.node.name, n, sum)
			return
		}
	}
}

// check looks at the result by the old library.
func (p *app) check(mode string) {
	p.node.t.Helper()
	got := p.must(`SELECT till, count(*), sum(cents) FROM sales WHERE till < 2 GROUP BY till`)
	got = slices.Concat(got, p.must(`SELECT id, name, sold FROM tills ORDER BY id`), p.must(`PRAGMA journal_mode`), p.must(`PRAGMA integrity_check`))
	odd := sales / 2 * (sales / 2)
	want := []string{
		fmt.Sprintf("0|%d|%d", sales/2+1, odd), fmt.Sprintf("1|%d|%d", sales/2+1, odd),
		fmt.Sprintf("0|till 0|%d", sales), fmt.Sprintf("1|till 1|%d", sales), mode, "ok",
	}
	if !slices.Equal(got, want) {
		p.node.t.Errorf("%s: %q, want %q", p.node.name, got, want)
	}
}
