package main

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

// asked runs a command line in this process.
func asked(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs strings.Builder
	code = run(ctx, args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// refuses makes sure that a command line ends with one line that says what is
// wrong, one that says what to do, and nothing else.
func refuses(t *testing.T, code int, message, remedy string, args ...string) {
	t.Helper()
	got, out, errs := asked(t, args...)
	lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
	if got != code || out != "" || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "sqlsync: ") || !strings.Contains(lines[0], message) ||
		!strings.HasPrefix(lines[1], "hint: ") || !strings.Contains(lines[1], remedy) {
		t.Errorf("sqlsync %s\n exit %d, stdout %q, stderr\n%s want exit %d, %q, hint %q", strings.Join(args, " "), got, out, errs, code, message, remedy)
	}
}

func someKey(t *testing.T) string {
	t.Helper()
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		t.Fatal(err)
	}
	return id.PublicKey().String()
}

func testTicket(t *testing.T) string {
	t.Helper()
	key, err := crypto.ParsePublicKey(someKey(t))
	if err != nil {
		t.Fatal(err)
	}
	ticket := crypto.Ticket{Key: key, Secret: crypto.NewSecret(), Expires: time.Now().Add(time.Hour), Addrs: []string{"127.0.0.1:1"}}
	text, err := ticket.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// verb is a verb with an argument for everything that it has to have.
type verb struct {
	name string
	args []string
}

func verbs(t *testing.T) (list []verb) {
	t.Helper()
	p, err := kong.New(&grammar{}, kong.Name("sqlsync"))
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string][]string{
		"watch": {"t"}, "hook add": {"--exec", "true"}, "invite": {"--addr", "host:1"}, "snapshot import": {"--yes"}, "prune": {"--yes"},
		"unwatch": {"--yes"}, "remote remove": {"--yes"}, "key rotate": {"--yes"}, "uninstall": {"--yes"}, "shell": {"SELECT 1"}, "conflicts restore": {}, "conflicts dismiss": {"x"},
	}
	values := map[string]string{"key": someKey(t), "ticket": testTicket(t), "key@host:port": someKey(t) + "@127.0.0.1:1", "shell": "bash", "file": "file"}
	for _, leaf := range p.Model.Leaves(true) {
		name := leaf.Name
		for n := leaf.Parent; n.Parent != nil; n = n.Parent {
			name = n.Name + " " + name
		}
		v := verb{name, strings.Fields(name)}
		for _, arg := range leaf.Positional {
			if value, ok := values[arg.Name]; ok {
				v.args = append(v.args, value)
			} else if arg.Required {
				v.args = append(v.args, "x")
			}
		}
		v.args = append(v.args, needs[name]...)
		list = append(list, v)
	}
	return list
}

// Every verb refuses a flag that there is not, and, if it works on a database,
// none and one that is not there. Nothing is made of a missing one.
func TestEveryVerbRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SQLSYNC_DB", "")
	os.Unsetenv("SQLSYNC_DB") // Setenv puts it back
	if err := os.WriteFile("file", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := verbs(t)
	if len(all) < 40 {
		t.Fatalf("only %d verbs", len(all))
	}
	for _, v := range all {
		name, args := v.name, v.args
		refuses(t, exitUsage, "unknown flag --nosuch", "sqlsync "+name+" --help", append(slices.Clone(args), "--nosuch")...)
		switch {
		case slices.Contains([]string{"version", "demo", "man", "completion", "clone"}, name), strings.HasPrefix(name, "service ") && name != "service install":
			continue // they need no --db
		}
		refuses(t, exitUsage, "no database named", "--db FILE", args...)
		refuses(t, exitUsage, "--db is empty", "name the database file", append([]string{"--db", ""}, args...)...)
		switch name {
		case "init", "join", "snapshot import", "service install", "doctor": // they make one, are not reached, and say more
			continue
		}
		message, code := "no database at nothing.db", exitFailed
		if name == "key passphrase" || name == "key rotate" || name == "key show" {
			message = "nothing.db"
		}
		refuses(t, code, message, "", append([]string{"--db", "nothing.db"}, args...)...)
	}
	left, err := os.ReadDir(".")
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What is misspelled is told with what may have been meant.
func TestNearestNames(t *testing.T) {
	t.Chdir(t.TempDir())
	app, err := sql.Open("sqlite", "file:a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if _, err := app.Exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, note); CREATE TABLE stock (id TEXT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"watch", "orders"}, {"remote", "add", "office", someKey(t)}, {"hook", "add", "audit", "--exec", "true"}} {
		if code, _, errs := asked(t, append([]string{"--db", "a.db"}, args...)...); code != exitDone {
			t.Fatal(errs)
		}
	}
	const table, remote, dataset = "did you mean orders?", "did you mean office?", "did you mean primary?"
	for _, c := range []struct {
		line, message, remedy string
		code                  int
	}{
		{"wach orders", `unexpected argument wach, did you mean "watch"?`, "--help", exitUsage},
		{"remote ad x y", `unexpected argument ad, did you mean "add"?`, "sqlsync remote --help", exitUsage},
		{"watch orders --datset d", `unknown flag --datset, did you mean "--dataset"?`, "sqlsync watch --help", exitUsage},
		{"completion csh", `must be one of "bash","zsh","fish"`, "sqlsync completion --help", exitUsage},

		{"watch ordrs", "no such table: ordrs", table, exitFailed},
		{"unwatch ordrs --yes", "not watched: ordrs", table, exitFailed},
		{"unwatch stock --yes", "not watched: stock", "sqlsync tables lists what is watched", exitFailed},
		{"digest ordrs", "no such table: ordrs", table, exitFailed},
		{"repair ordrs", "not a watched table: ordrs", table, exitFailed},
		{"log --table ordrs", "no such table: ordrs", table, exitFailed},
		{"hook add h --exec true --table ordrs", "no such table: ordrs", table, exitFailed},
		{"watch orders --column nte=max", `it has no column "nte"`, "name one of its columns", exitFailed},
		{"watch stock --key nope", `it has no column "nope"`, "the columns are id", exitFailed},
		{"watch sqlsync_node", "it is SQLite's or sqlsync's own", "tables of the application", exitFailed},

		{"remote set ofice --pull", `no remote "ofice"`, remote, exitFailed},
		{"remote remove ofice --yes", `no remote "ofice"`, remote, exitFailed},
		{"sync ofice", `no remote "ofice"`, remote, exitFailed},
		{"verify ofice", `no remote "ofice"`, remote, exitFailed},
		{"status --wait ofice", `no remote "ofice"`, remote, exitFailed},
		{"sync warehouse", `no remote "warehouse"`, "the remotes are: office", exitFailed},
		{"log --origin ofice", `no node "ofice"`, "a remote's name will do", exitFailed},

		{"dataset set primry --no-enabled", `no such dataset: "primry"`, dataset, exitFailed},
		{"prune --dataset primry --yes", `no such dataset: "primry"`, dataset, exitFailed},
		{"log --dataset primry", `no such dataset: "primry"`, dataset, exitFailed},
		{"snapshot export f --dataset primry", `no such dataset: "primry"`, dataset, exitFailed},
		{"invite --dataset primry --addr host:1", `no such dataset: "primry"`, dataset, exitFailed},
		{"hook add h --exec true --dataset primry", `no such dataset: "primry"`, dataset, exitFailed},
		{"hook remove audt", `no such hook: "audt"`, "did you mean audit?", exitFailed},

		{"conflicts show abc", `no such conflict: "abc"`, "sqlsync conflicts list", exitFailed},
		{"conflicts restore abc", `no such conflict: "abc"`, "sqlsync conflicts list", exitFailed},
		{"conflicts dismiss", "which conflicts is not clear", "--table TABLE or --all", exitUsage},
		{"conflicts dismiss abc --all", "which conflicts is not clear", "--table TABLE or --all", exitUsage},
		{"conflicts dismiss --table nosuch", `nosuch`, "", exitFailed},
		{"conflicts dismiss abc", `no such conflict: "abc"`, "sqlsync conflicts list", exitFailed},

		{"watch orders --merge lwv", `merge policy "lwv"`, "sqlsync watch --help", exitUsage},
		{"watch orders --ids sharde", `ids "sharde"`, "sqlsync watch --help", exitUsage},
		{"remote add -- -x " + someKey(t), `the name "-x" would have to be quoted`, "leave out spaces", exitUsage},
		{"remote set office --name a\u0007b", "would have to be quoted", "leave out spaces", exitUsage},
		{"invite --name a\u0007b --addr h:1", "would have to be quoted", "leave out spaces", exitUsage},
		{"remote add x notakey", "not a valid sqlsync key", "copy the key again", exitUsage},
		{"remote add x sqlsync-ticket1qqq", "this is a ticket and no key", "sqlsync join TICKET", exitUsage},
		{"snapshot import .", " is a folder", "sqlsync snapshot export", exitUsage},
		{"snapshot import a.db", "a.db is not a snapshot", "sqlsync snapshot export", exitUsage},
		{"join abc", "not a valid sqlsync ticket", "sqlsync invite", exitUsage},
		{"clone abc f", `"abc" is not KEY@HOST:PORT`, "for example", exitUsage},
		{"log --since x", `--since "x" is no time`, "90m", exitUsage},
		{"log --cursor x", "not a cursor", "log --json", exitUsage},
		{"serve --listen 1", `--listen "1"`, "HOST:PORT", exitUsage},
		{"serve --http 1", `--http "1"`, "HOST:PORT", exitUsage},
		{"service install --name a/b --print", `--name "a/b"`, "letters", exitUsage},
		{"snapshot import nofile --yes", "no snapshot at ", "snapshot export", exitUsage},
	} {
		refuses(t, c.code, c.message, c.remedy, append([]string{"--db", "a.db"}, strings.Fields(c.line)...)...)
	}
}

// A port that somebody has, a database that somebody serves, and files that may
// not be written.
func TestTakenAndForbidden(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := cdc.CreateFile(t.Context(), "a.db"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	refuses(t, exitFailed, "listen on "+addr+": ", "end the program that has it", "--db", "a.db", "serve", "--listen", addr)
	refuses(t, exitFailed, addr+": ", "choose another --http", "--db", "a.db", "serve", "--http", addr)

	member := someMember(t, "a.db")
	if _, err := member.Begin(t.Context(), mesh.ServeOptions{}); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "a.db is already being served", "stop the other sqlsync serve", "--db", "a.db", "serve")
	refuses(t, exitFailed, "a.db is being served", "stop sqlsync serve first", "--db", "a.db", "uninstall", "--yes")
	refuses(t, exitFailed, "a.db is being served", "stop sqlsync serve first", "--db", "a.db", "key", "rotate", "--yes")

	if runtime.GOOS == "windows" {
		return
	}
	if err := cdc.CreateFile(t.Context(), "ro.db"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("ro.db", 0o444); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"watch --all", "init", "remote add x " + someKey(t), "serve", "invite --addr h:1", "uninstall --yes", "join " + testTicket(t)} {
		refuses(t, exitFailed, "ro.db is read-only", "owner and permissions", append([]string{"--db", "ro.db"}, strings.Fields(line)...)...)
	}
}

// What service managers say, by the words that they use.
func TestServiceManagersErrors(t *testing.T) {
	f := &serviceFlags{Name: "shop"}
	for text, remedy := range map[string]string{
		"Init already exists: /etc/systemd/system/shop.service": "sqlsync service uninstall --name shop comes first",
		"service shop already exists":                           "sqlsync service uninstall --name shop comes first",
		"Access is denied.":                                     "run it as root or administrator",
		"Interactive authentication required.":                  "run it as root or administrator",
		"Unit shop.service not found.":                          "sqlsync service install makes it",
		"anything else":                                         "the service manager's log",
	} {
		err := f.explain("install", errors.New(text))
		if !strings.Contains(err.Error(), "install service shop: "+text) || !strings.Contains(remedyOf(err), remedy) {
			t.Errorf("%q: %v, hint %q", text, err, remedyOf(err))
		}
	}
}
