package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"
)

var update = flag.Bool("update", false, "write the golden files of units")

var unitCases = []struct {
	name, log string
	unit      unit
}{
	{"shop", "/Library/Logs/sqlsync.log", unit{
		Name: "sqlsync", Program: "/usr/bin/sqlsync", Args: []string{"serve", "--db", "/srv/shop/shop.db", "--listen", "0.0.0.0:7117"},
		User: "shop", Databases: []string{"/srv/shop/shop.db"}, Folders: []string{"/srv/shop"},
	}},
	{"tenants", "/Library/Logs/tenants.log", unit{
		Name: "tenants", Program: "/opt/100% sure/sqlsync", User: "www-data", LowPort: true,
		Args:    []string{"serve", "--db", "/home/www/$HOME & <co>/*.db", "--db", "/tmp/b.db", "--listen", ":443", "--respond-only=true"},
		Folders: []string{"/home/www/$HOME & <co>", "/tmp"},
	}},
	{"own", "/home/me/Library/Logs/sqlsync.log", unit{
		Name: "sqlsync", Program: "/usr/bin/sqlsync", PerUser: true, Home: "/home/me",
		Args: []string{"serve", "--db", "/home/me/notes.db"}, Folders: []string{"/home/me"},
	}},
}

func TestUnits(t *testing.T) {
	for _, c := range unitCases {
		for kind, text := range map[string]string{"service": c.unit.systemd(), "plist": c.unit.launchd()} {
			path := filepath.Join("testdata", "service", c.name+"."+kind)
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s is not what is in the golden file (-update writes it):\n%s", path, text)
			}
		}
	}
}

// A property list of launchd's is one, and what is in it comes out as it went in:
// types too, which launchd minds.
func TestUnitsAreLaunchds(t *testing.T) {
	for _, c := range unitCases {
		var got map[string]any
		if _, err := plist.Unmarshal([]byte(c.unit.launchd()), &got); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		args := []any{c.unit.Program}
		for _, a := range c.unit.Args {
			args = append(args, a)
		}
		want := map[string]any{
			"Label": c.unit.Name, "ProgramArguments": args, "RunAtLoad": true, "KeepAlive": map[string]any{"SuccessfulExit": false},
			"ThrottleInterval": uint64(2), "ExitTimeOut": uint64(20), "Umask": uint64(0o077), "StandardErrorPath": c.log,
		}
		if c.unit.User != "" {
			want["UserName"] = c.unit.User
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// systemd understands every line.
func TestUnitsAreSystemds(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: systemd-analyze is not installed: units are compared with golden files only")
	}
	for _, c := range unitCases {
		u := c.unit
		u.Program = "/bin/true"
		path := filepath.Join(t.TempDir(), u.Name+".service")
		if err := os.WriteFile(path, []byte(u.systemd()), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"verify", "--recursive-errors=no", path}
		if u.PerUser {
			args = append([]string{"--user"}, args...)
		}
		cmd := exec.Command(analyze, args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "Failed to") {
			t.Skipf("SKIPPED: systemd-analyze does not work here: %s", out)
		}
		if err != nil || strings.Contains(string(out), u.Name+".service") {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
		if !u.PerUser {
			exposed(t, analyze, path)
		}
	}
}

// mostExposed is what systemd-analyze may count of what a service could do, in
// tenths of 10, which is everything.
const mostExposed = "25"

// exposed makes sure that a unit stays as closed as it is.
func exposed(t *testing.T, analyze, path string) {
	t.Helper()
	out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold="+mostExposed, path).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Logf("SKIPPED: systemd-analyze is too old to say how exposed a service is: %s", out)
		return
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", path, err, out)
	}
}
