package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sqlsync/cdc"
	"sqlsync/fixtures"
)

// patience is for what is sure to happen, however slow the machine.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sqlsync": main})
}

// TestScript runs a file of testdata/script per behaviour. Beside sqlsync and
// testscript's own commands a script has
//
//	sql FILE STATEMENT    run SQL as an application would, print the values
//	past FILE STATEMENT   run SQL while sqlsync's triggers are off
//	shop FILE             make a database with the sample shop's tables
//	lock FILE             hold an exclusive lock until the script ends
//	port NAME             set $NAME to a loopback address nobody listens on
//	listening ADDR        wait until somebody listens there
//	logged FILE TEXT      wait until the log has a change with the text
//	warned FILE TEXT      wait until status warns of the text
//	unwarned FILE TEXT    wait until status no longer warns of the text
//	served FILE           wait until status says that it is being served
//	holds FILE TEXT       wait until a file has the text
//	taken NAME [ADDR]     set $NAME to one that somebody listens on
//	fetch STATUS URL [HEADER VALUE]…
//	                      ask until the answer has the status, print its body
//	conflict NAME FILE KIND   set $NAME to the id of the first conflict of a kind
//	answers TEXT URL      ask until the answer has the text, print it
//	unpack FILE           print the files of a .tar.gz, each after its name
//	secrets FILE          fail if the last output has a line of a file
//	until TEXT ARGS       run sqlsync until its output has the text
//	invited NAME ARGS     run sqlsync until it makes a ticket, set $NAME to it
//	keyof NAME FILE       set $NAME to a database's public key
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sql": scriptSQL, "shop": scriptShop, "lock": scriptLock, "port": scriptPort, "taken": scriptTaken, "listening": scriptListening, "logged": scriptLogged, "past": scriptPast, "warned": scriptWarned(true), "unwarned": scriptWarned(false), "keyof": scriptKeyOf, "served": scriptServed, "conflict": scriptConflict, "until": scriptUntil, "invited": scriptInvited, "holds": scriptHolds,
			"fetch": scriptFetch, "answers": scriptAnswers, "unpack": scriptUnpack, "secrets": scriptSecrets,
		},
		Setup: scriptSetup,
		Condition: func(c string) (bool, error) {
			if c != "systemd" {
				return false, fmt.Errorf("unknown condition %q", c)
			}
			_, err := os.Stat("/run/systemd/system")
			return err == nil, nil
		},
		RequireUniqueNames:  true,
		RequireExplicitExec: false,
	})
}

func scriptSetup(env *testscript.Env) error {
	env.Setenv("GORACE", os.Getenv("GORACE"))
	return nil
}

func openScript(ts *testscript.TestScript, file string) *sql.DB {
	path := ts.MkAbs(file)
	if _, err := os.Stat(path); err != nil {
		ts.Check(os.WriteFile(path, nil, 0o644))
	}
	db, err := sql.Open("sqlite", cdc.AppDSN(path))
	ts.Check(err)
	db.SetMaxOpenConns(1)
	return db
}

func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db := openScript(ts, args[0])
	defer db.Close()
	rows, err := db.Query(args[1])
	if err != nil {
		if neg {
			return
		}
		ts.Fatalf("%s: %v", args[1], err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		ts.Check(rows.Scan(to...))
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = v.String
		}
		ts.Stdout().Write([]byte(strings.Join(texts, "|") + "\n"))
	}
	ts.Check(rows.Err())
}

func scriptPast(ts *testscript.TestScript, _ bool, args []string) {
	db := openScript(ts, args[0])
	defer db.Close()
	rows, err := db.Query(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sqlsync%'`)
	ts.Check(err)
	drop, create := "BEGIN;", ""
	for rows.Next() {
		var name, text string
		ts.Check(rows.Scan(&name, &text))
		drop, create = drop+"DROP TRIGGER "+name+";", create+text+";"
	}
	ts.Check(rows.Err())
	ts.Check(rows.Close())
	_, err = db.Exec(drop + args[1] + ";" + create + "COMMIT")
	ts.Check(err)
}

func scriptShop(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		db := openScript(ts, file)
		_, err := db.Exec(fixtures.ShopSchema)
		ts.Check(err)
		ts.Check(db.Close())
	}
}

func scriptLock(ts *testscript.TestScript, _ bool, args []string) {
	db := openScript(ts, args[0])
	conn, err := db.Conn(context.Background())
	ts.Check(err)
	_, err = conn.ExecContext(context.Background(), `BEGIN EXCLUSIVE`)
	ts.Check(err)
	ts.Defer(func() { conn.Close(); db.Close() })
}

// given are the addresses that scripts, which run side by side, have got.
var given sync.Map

func scriptPort(ts *testscript.TestScript, _ bool, args []string) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		addr := l.Addr().String()
		ts.Check(l.Close())
		if _, twice := given.LoadOrStore(addr, true); !twice {
			ts.Setenv(args[0], addr)
			return
		}
	}
}

func scriptListening(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody listens on %s: %v", args[0], err)
		}
		runtime.Gosched()
	}
}

func scriptLogged(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		ts.Check(ts.Exec("sqlsync", "--db", ts.MkAbs(args[0]), "log"))
		if strings.Contains(ts.ReadFile("stdout"), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the log has no %q", args[1])
		}
	}
}

func scriptWarned(want bool) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for deadline := time.Now().Add(patience); ; {
			ts.Check(ts.Exec("sqlsync", "--db", ts.MkAbs(args[0]), "status"))
			if strings.Contains(ts.ReadFile("stdout"), "warning: "+args[1]) == want {
				return
			}
			if time.Now().After(deadline) {
				ts.Fatalf("status warns of %q: %v", args[1], !want)
			}
		}
	}
}

func scriptServed(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		ts.Check(ts.Exec("sqlsync", "--db", ts.MkAbs(args[0]), "status"))
		if strings.Contains(ts.ReadFile("stdout"), ", being served") {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not served", args[0])
		}
	}
}

func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		ts.Exec("sqlsync", args[1:]...) // it may fail at first
		if strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q does not come; stdout %q, stderr %q", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		}
	}
}

func scriptInvited(ts *testscript.TestScript, _ bool, args []string) {
	scriptUntil(ts, false, append([]string{"sqlsync-ticket1"}, args[1:]...))
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	ts.Setenv(args[0], lines[len(lines)-1])
}

func scriptFetch(ts *testscript.TestScript, _ bool, args []string) {
	if len(args)%2 != 0 {
		ts.Fatalf("usage: fetch STATUS URL [HEADER VALUE]…")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		status, text, err := fetch(args[1], args[2:])
		if err == nil && status == args[0] {
			ts.Stdout().Write([]byte(text))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %s %s %v", args[1], status, text, err)
		}
	}
}

func scriptAnswers(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		_, text, err := fetch(args[1], nil)
		if err == nil && strings.Contains(text, args[0]) {
			ts.Stdout().Write([]byte(text))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no %q: %s %v", args[1], args[0], text, err)
		}
	}
}

func scriptUnpack(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	ts.Check(err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "== %s\n", h.Name)
		_, err = io.Copy(ts.Stdout(), r)
		ts.Check(err)
	}
}

func scriptSecrets(ts *testscript.TestScript, _ bool, args []string) {
	out := ts.ReadFile("stdout")
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if line = strings.TrimSpace(line); line != "" && strings.Contains(out, line) {
			ts.Fatalf("the output has a line of %s", args[0])
		}
	}
}

// fetch returns an answer's status and body, of a stream its first event.
func fetch(url string, headers []string) (status, text string, err error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	for s := bufio.NewScanner(answer.Body); s.Scan(); {
		text += s.Text() + "\n"
		if strings.HasPrefix(s.Text(), "data: ") {
			break
		}
	}
	return strconv.Itoa(answer.StatusCode), text, nil
}

func scriptHolds(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(b), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no %q", args[0], args[1])
		}
		runtime.Gosched()
	}
}

func scriptTaken(ts *testscript.TestScript, _ bool, args []string) {
	addr := "127.0.0.1:0"
	if len(args) == 2 {
		addr = args[1]
	}
	l, err := net.Listen("tcp", addr)
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func scriptConflict(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sqlsync", "--db", ts.MkAbs(args[1]), "conflicts", "list"))
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if f := strings.Fields(line); f[2] == args[2] {
			ts.Setenv(args[0], f[0])
			return
		}
	}
	ts.Fatalf("no conflict of kind %s", args[2])
}

func scriptKeyOf(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sqlsync", "--db", ts.MkAbs(args[1]), "key"))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// The grammar itself has no help that is empty and no flag without one.
func TestHelpIsComplete(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	var out, errs strings.Builder
	if code := run(ctx, []string{"--help"}, strings.NewReader(""), &out, &errs); code != exitDone || errs.Len() > 0 {
		t.Fatalf("exit %d, stderr %q", code, errs.String())
	}
	for _, verb := range []string{"init", "key", "watch", "unwatch", "tables", "remote", "invite", "join", "serve", "sync", "clone", "digest", "verify", "repair", "doctor", "prune", "snapshot", "status", "log", "shell", "demo", "version"} {
		if !strings.Contains(out.String(), verb) {
			t.Errorf("--help does not mention %s", verb)
		}
	}
}

// What is wrong with serve's HTTP flags is wrong usage.
func TestPagesUsage(t *testing.T) {
	for _, flags := range [][]string{{"--http", "0.0.0.0:0"}, {"--http", ":0"}, {"--http", "office.lan:0"}, {"--http", "127.0.0.1"}, {"--max-lag-seconds", "3"}} {
		t.Setenv("SQLSYNC_HTTP_TOKEN", "")
		var out, errs strings.Builder
		args := append([]string{"--db", "none.db", "serve"}, flags...)
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitUsage {
			t.Errorf("%v: exit %d, %s", flags, code, errs.String())
		}
	}
}
