package sqlsync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// directions says what each package may import of ours, and what it is. A
// package that is in a folder of another has its parent's rule and may import
// the parent's other folders, unless it has a row of its own.
var directions = map[string]struct {
	idea string
	may  []string
}{
	"merge":                   {"versions, HLC, vectors and the pure rules that decide which write stands", nil},
	"wire":                    {"encodes and decodes batches and the messages peers exchange", []string{"merge"}},
	"crypto":                  {"identity, signatures, and an authenticated encrypted connection", nil},
	"schema":                  {"reads user tables and builds the triggers that capture them", nil},
	"migrations":              {"the SQL of sqlsync's own tables", nil},
	"cdc":                     {"one SQLite file as a store", []string{"merge", "schema", "migrations", "wire"}},
	"replicate":               {"drives stores to the same state over connections", []string{"merge", "wire"}},
	"replicate/replicatetest": {"real files, an application and a model for the simulation of replicate; for tests only", []string{"merge", "wire", "cdc"}},
	"replicate/mesh":          {"one database as a member of its mesh: what an application embeds", []string{"merge", "wire", "crypto", "cdc", "replicate"}},
	"fixtures":                {"sample schemas and generators", nil},
	"cmd/sqlsync":             {"flags, wiring, service, pages", []string{"merge", "wire", "crypto", "schema", "migrations", "cdc", "replicate", "replicate/mesh", "fixtures"}},
	"e2e":                     {"drives the real binary", nil},
}

// bans are imports of others that would break what a package is.
var bans = []struct{ pkg, path, reason string }{
	{"merge", "math/rand", "the same writes must give the same rows everywhere"},
	{"wire", "net", "the codec works on readers and writers"},
	{"schema", "os", "schema reads through a Queryer only"},
	{"replicate", "modernc.org/sqlite", "replicate knows stores, not databases"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportsFollowTheDesign(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		checkImports(t, p)
	}
}

func checkImports(t *testing.T, p goPackage) {
	from, ok := strings.CutPrefix(p.ImportPath, "sqlsync/")
	if !ok {
		return // the module's root, which has nothing
	}
	home := homeOf(from)
	if home == "" {
		t.Errorf("package %s is not in the table of packages", from)
		return
	}
	for _, path := range p.Imports {
		if to, ok := strings.CutPrefix(path, "sqlsync/"); ok {
			if h := homeOf(to); h != home && !slices.Contains(directions[home].may, h) {
				t.Errorf("%s imports %s, which %s may not", from, to, home)
			}
		}
		for _, b := range bans {
			if b.pkg == from && b.path == path {
				t.Errorf("%s imports %s: %s", from, path, b.reason)
			}
		}
	}
}

func homeOf(path string) (home string) {
	for name := range directions {
		if (path == name || strings.HasPrefix(path, name+"/")) && len(name) > len(home) {
			home = name
		}
	}
	return home
}

var goFile = regexp.MustCompile("`([a-z_/]+\\.go)`")

// ARCHITECTURE.md tells newcomers where things are: what it names is there, and
// every file of cdc has its place in the table.
func TestArchitectureNamesFiles(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for _, m := range goFile.FindAllStringSubmatch(string(text), -1) {
		path := m[1]
		if !strings.Contains(path, "/") && path != "imports_test.go" {
			path = "cdc/" + path
			named[path] = true
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("ARCHITECTURE.md names %s: %v", m[1], err)
		}
	}
	files, err := filepath.Glob("cdc/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") && f != "cdc/doc.go" && !named[f] {
			t.Errorf("%s has no place in ARCHITECTURE.md", f)
		}
	}
}
