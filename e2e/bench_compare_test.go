package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// others are programs that replicate SQLite, measured where they are installed:
// an environment variable names the file. Nothing of theirs is here.
var others = []struct {
	name, env string
	exchanger func(b *testing.B, path string) exchanger
}{
	{"sqlite-sync", "BENCH_SQLITE_SYNC", func(_ *testing.B, path string) exchanger {
		return extension{
			load: path,
			// The last argument allows an integer key.
			watch: `SELECT cloudsync_init('orders', 'CLS', 1);`,
			take: `CREATE TABLE sent.changes AS SELECT cloudsync_payload_encode(tbl, pk, col_name, col_value, col_version, db_version, site_id, cl, seq) AS payload
				FROM cloudsync_changes WHERE site_id = cloudsync_siteid();`,
			give: `SELECT cloudsync_payload_decode(payload) FROM sent.changes;`,
			end:  `SELECT cloudsync_terminate();`,
		}
	}},
	{"cr-sqlite", "BENCH_CRSQLITE", func(_ *testing.B, path string) exchanger {
		return extension{
			load:  path,
			watch: `SELECT crsql_as_crr('orders');`,
			take:  `CREATE TABLE sent.changes AS SELECT * FROM crsql_changes;`,
			give:  `INSERT INTO crsql_changes SELECT * FROM sent.changes;`,
			end:   `SELECT crsql_finalize();`,
		}
	}},
	{"session", "BENCH_SESSION", newSession},
}

// An exchanger inserts rows into a table that is watched, encodes what was
// done, and applies it to another database, by the sqlite3 program or one like
// it. sent is a database for what goes from one to the other.
type exchanger interface {
	// prepare makes a database with an empty orders table, and watches that.
	prepare(b *testing.B, path string)
	// insert runs the statement, captured.
	insert(b *testing.B, path, statement string) time.Duration
	// exchange brings to another database what was captured.
	exchange(b *testing.B, from, to, sent string) time.Duration
}

// BenchmarkCompare gives others the same work, in the same run: a bulk insert by
// the sqlite3 program, and then encoding it and applying it to an empty
// database. Both are told beside the plain insert of the same rows.
func BenchmarkCompare(b *testing.B) {
	needSqlite3(b)
	for _, o := range others { // lines of the benchmark format
		fmt.Printf("other-%s: %s\n", o.name, found(os.Getenv(o.env), o.env))
	}
	b.Run("sqlsync", func(b *testing.B) { compare(b, make(own)) })
	for _, o := range others {
		if path := os.Getenv(o.env); strings.HasPrefix(found(path, o.env), "found") {
			b.Run(o.name, func(b *testing.B) { compare(b, o.exchanger(b, path)) })
		}
	}
}

// found says whether there is a file, which an environment variable names.
func found(path, env string) string {
	if path == "" {
		return "not looked for, as " + env + " is not set"
	}
	if _, err := os.Stat(path); err != nil {
		return "not found where " + env + " says"
	}
	return "found, by " + env
}

func compare(b *testing.B, e exchanger) {
	n := sized(100_000)
	for range b.N {
		var captured, exchanged contest
		for range rounds(3) {
			dir := b.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			plain := newNode(b, dir, "plain")
			sqlite3(b, plain.path, `PRAGMA journal_mode = wal;`+keyedOrders+`;`)
			floor := sqlite3(b, plain.path, ordersInserted(n))
			e.prepare(b, file("from.db"))
			e.prepare(b, file("to.db"))
			captured.cost(millis(floor), millis(e.insert(b, file("from.db"), ordersInserted(n))))
			exchanged.rate(n, floor, e.exchange(b, file("from.db"), file("to.db"), file("sent.db")))
			arrived, err := exec.Command("sqlite3", file("to.db"), `SELECT count(*) FROM orders`).Output()
			if got := strings.TrimSpace(string(arrived)); err != nil || got != fmt.Sprint(n) {
				b.Fatalf("%s rows, want %d; %v", got, n, err)
			}
			os.RemoveAll(dir)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(quantile(captured.taken, 0.5)/quantile(captured.floor, 0.5), "capture-ratio")
		b.ReportMetric(quantile(exchanged.taken, 0.5), "exchange-rows/s")
		b.ReportMetric(quantile(exchanged.taken, 0.5)/quantile(exchanged.floor, 0.5), "exchange-ratio")
	}
}

// keyedOrders is the orders table with a key as all of them want it.
var keyedOrders = strings.Replace(ordersTable, "PRIMARY KEY", "PRIMARY KEY NOT NULL", 1)

// extension is a library that the sqlite3 program loads.
type extension struct {
	load, watch, take, give, end string
}

// script runs SQL with the extension, which wants to be ended.
func (e extension) script(b *testing.B, path, statements string) time.Duration {
	return sqlite3(b, path, fmt.Sprintf(".load %s\n%s\n%s\n", e.load, statements, e.end))
}

func (e extension) prepare(b *testing.B, path string) {
	e.script(b, path, `PRAGMA journal_mode = wal;`+keyedOrders+`;`+e.watch)
}

func (e extension) insert(b *testing.B, path, statement string) time.Duration {
	return e.script(b, path, "BEGIN;\n"+statement+"COMMIT;")
}

func (e extension) exchange(b *testing.B, from, to, sent string) time.Duration {
	attach := fmt.Sprintf("ATTACH '%s' AS sent;\n", sent)
	return e.script(b, from, attach+e.take) + e.script(b, to, attach+"BEGIN;\n"+e.give+"\nCOMMIT;")
}

// own is sqlsync: its stores by path.
type own map[string]*replica

func (o own) prepare(b *testing.B, path string) {
	app := openWAL(b, path)
	execute(b, app, keyedOrders)
	o[path] = watched(b, path, app, "orders", "")
}

func (own) insert(b *testing.B, path, statement string) time.Duration {
	return sqlite3(b, path, statement)
}

func (o own) exchange(b *testing.B, from, to, _ string) time.Duration {
	took := o[from].seal(b)
	start := time.Now()
	batches := o[from].take(b)
	took += time.Since(start) + o[to].apply(b, o[from], batches)
	return took
}

// session is SQLite's own session extension, by a program of ours that is
// linked with the library at hand.
type session struct {
	program string
	// encoding is how long the last insert's changes took to encode: a session
	// lives as long as its connection.
	encoding time.Duration
}

func newSession(b *testing.B, library string) exchanger {
	s := &session{program: filepath.Join(b.TempDir(), "session")}
	if out, err := exec.Command("cc", "-O2", "-o", s.program, filepath.Join("testdata", "session.c"), library).CombinedOutput(); err != nil {
		b.Skipf("SKIPPED: session: cc: %v\n%s", err, out)
	}
	return s
}

// run returns the seconds that the program prints.
func (s *session) run(b *testing.B, args ...string) time.Duration {
	b.Helper()
	out, err := exec.Command(s.program, args...).CombinedOutput()
	var seconds float64
	if _, serr := fmt.Sscan(string(out), &seconds); err != nil || serr != nil {
		b.Fatalf("session %q: %v\n%s", args, err, out)
	}
	return time.Duration(seconds * float64(time.Second))
}

func (s *session) prepare(b *testing.B, path string) {
	sqlite3(b, path, `PRAGMA journal_mode = wal;`+keyedOrders+`;`)
}

func (s *session) insert(b *testing.B, path, statement string) (took time.Duration) {
	start := time.Now()
	s.encoding = s.run(b, "record", path, path+".changes", statement)
	return time.Since(start) - s.encoding
}

func (s *session) exchange(b *testing.B, from, to, _ string) time.Duration {
	start := time.Now()
	s.run(b, "apply", to, from+".changes")
	return s.encoding + time.Since(start)
}
