//go:build unix

package main

import (
	"cmp"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sqlsync/replicate/mesh"
)

// docs are the pages whose blocks are run, from this folder.
var docs = []string{"../../README.md", "../../docs/*.md"}

// docBlock is a fenced or indented block of a page.
type docBlock struct {
	page, lang, text string
	line             int
}

func (b docBlock) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

func docBlocks(t *testing.T) (list []docBlock) {
	t.Helper()
	for _, pattern := range docs {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, blocksOf(filepath.Base(f), string(text))...)
		}
	}
	return list
}

func blocksOf(page, text string) (list []docBlock) {
	var b *docBlock
	fenced, blank := false, true
	end := func() {
		if b != nil {
			b.text = strings.TrimRight(b.text, "\n") + "\n"
			list = append(list, *b)
		}
		b, fenced = nil, false
	}
	for i, line := range strings.Split(text, "\n") {
		lang, fence := strings.CutPrefix(line, "```")
		body, indented := strings.CutPrefix(line, "    ")
		switch {
		case fence && fenced:
			end()
		case fence:
			end()
			b, fenced = &docBlock{page: page, line: i + 1, lang: lang}, true
		case fenced:
			b.text += line + "\n"
		case indented && (b != nil || blank):
			if b == nil {
				b = &docBlock{page: page, line: i + 1}
			}
			b.text += body + "\n"
		case line != "":
			end()
		case b != nil:
			b.text += "\n"
		}
		blank = line == ""
	}
	end()
	return list
}

// A heading has something below it, and a link to a heading finds it.
func TestDocHeadings(t *testing.T) {
	odd := regexp.MustCompile(`[^\w -]`)
	link := regexp.MustCompile(`\]\((?:docs/)?([\w.-]*)#([\w-]+)\)`)
	anchors, pages := make(map[string]bool), make(map[string]string)
	for _, pattern := range docs {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			page := filepath.Base(f)
			pages[page] = string(b)
			fenced, last := false, ""
			for line := range strings.Lines(string(b)) {
				line = strings.TrimSpace(line)
				mark, title, is := strings.Cut(line, " ")
				if fenced = fenced != strings.HasPrefix(line, "```"); fenced || line == "" {
					continue
				}
				if is = is && strings.Trim(mark, "#") == ""; !is {
					last = ""
					continue
				}
				if last != "" && len(mark) <= len(last) {
					t.Errorf("%s: nothing is above %q and below the heading before it", f, title)
				}
				last = mark
				anchors[page+"#"+strings.ReplaceAll(strings.ToLower(odd.ReplaceAllString(title, "")), " ", "-")] = true
			}
		}
	}
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if to := cmp.Or(m[1], page) + "#" + m[2]; !anchors[to] {
				t.Errorf("%s links to %s, which is not there", page, to)
			}
		}
	}
}

// docRun runs blocks of pages, and keeps which it has run.
type docRun struct {
	blocks []docBlock
	mu     sync.Mutex
	ran    map[string]bool
}

// TestDocs runs the command blocks of the README and of docs/: testdata/docs has
// a script for each page, with what a block finds when it is run, and notrun,
// which lists those that cannot be run here, with why.
//
//	block PAGE TEXT [@FOLDER] [FROM=TO]…
//
// runs the block that has the text, in a folder, with replacements. Its
// commands are the lines after a prompt, or all where there is none; a prompt's
// name is a folder. A serve goes on in the background. A command may fail if
// the page shows an error. A block that is fenced as text shows what is printed,
// and is not run.
func TestDocs(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("SKIPPED: sqlite3 is not installed")
	}
	d := &docRun{blocks: docBlocks(t), ran: make(map[string]bool)}
	t.Run("pages", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/docs", Setup: scriptSetup,
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"block": d.run, "sql": scriptSQL, "port": scriptPort, "keyof": scriptKeyOf, "served": scriptServed, "listening": scriptListening,
				"until": scriptUntil, "conflict": scriptConflict, "invited": scriptInvited, "past": scriptPast,
			},
		})
	})
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // some pages only
	}
	list, err := os.ReadFile("testdata/docs/notrun")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		page, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		text, why, ok := strings.Cut(rest, " — ")
		b, err := d.find(page, text)
		if err != nil || !ok || why == "" {
			t.Errorf("notrun: %q: %v", line, err)
			continue
		}
		if d.ran[b.String()] {
			t.Errorf("%v is listed in notrun, and run", b)
		}
		d.ran[b.String()] = true
	}
	for _, b := range d.blocks {
		if !d.ran[b.String()] && b.lang != "text" && !t.Failed() {
			t.Errorf("%v is run by no script, and not listed in testdata/docs/notrun:\n%s", b, b.text)
		}
	}
}

func (d *docRun) find(page, text string) (found docBlock, err error) {
	n := 0
	for _, b := range d.blocks {
		if b.page == page && strings.Contains(b.text, text) {
			found = b
			n++
		}
	}
	if n != 1 {
		err = fmt.Errorf("%d blocks of %s have %q, want one", n, page, text)
	}
	return found, err
}

var docPrompt = regexp.MustCompile(`^(\w*)\$ +`)

func (d *docRun) run(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: block PAGE TEXT [@FOLDER] [FROM=TO]…")
	}
	b, err := d.find(args[0], args[1])
	ts.Check(err)
	d.mu.Lock()
	d.ran[b.String()] = true
	d.mu.Unlock()
	folder, text := ".", b.text
	for _, a := range args[2:] {
		if f, ok := strings.CutPrefix(a, "@"); ok {
			folder = f
			continue
		}
		i := strings.LastIndex(a, "=")
		from, to := a[:max(i, 0)], a[i+1:]
		if from == "" || !strings.Contains(text, from) {
			ts.Fatalf("%v has no %q", b, from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	prompted := strings.Contains("\n"+text, "\n$ ") || docPrompt.MatchString(text)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		prompt := docPrompt.FindStringSubmatch(line)
		if prompted && prompt == nil || strings.TrimSpace(line) == "" {
			continue
		}
		dir := folder
		if prompt != nil {
			line = line[len(prompt[0]):]
			if prompt[1] != "" {
				dir = prompt[1]
			}
		}
		fails := false
		for _, out := range lines[i+1:] {
			if docPrompt.MatchString(out) {
				break
			}
			fails = fails || prompted && strings.HasPrefix(out, "sqlsync: ")
		}
		runDocCommand(ts, b, line, ts.MkAbs(dir), fails)
	}
}

var docServe = regexp.MustCompile(`^sqlsync .*\bserve\b`)

func runDocCommand(ts *testscript.TestScript, b docBlock, line, dir string, fails bool) {
	env := func(name string) string { return name + "=" + ts.Getenv(name) }
	cmd := exec.Command("sh", "-c", "exec "+line)
	if !docServe.MatchString(line) {
		cmd = exec.Command("sh", "-c", line)
	}
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env("PATH"), env("HOME"), "TERM=dumb")
	if !docServe.MatchString(line) {
		out, err := cmd.CombinedOutput()
		ts.Logf("%v: %s\n%s", b, line, out)
		if (err != nil) != fails {
			ts.Fatalf("%v: %s: %v", b, line, err)
		}
		return
	}
	ts.Logf("%v: %s, in the background", b, line)
	var log strings.Builder
	cmd.Stderr = &log
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGINT)
		<-ended
	})
	waitForServe(ts, strings.Fields(line), dir, func() {
		select {
		case err := <-ended:
			ended <- err
			ts.Fatalf("%v: %s ended: %v\n%s", b, line, err, log.String())
		default:
		}
	})
}

// waitForServe waits until every database is served, and peers are let in.
func waitForServe(ts *testscript.TestScript, args []string, dir string, alive func()) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		alive()
		up := true
		for i, a := range args[:len(args)-1] {
			next := strings.Trim(args[i+1], "'")
			switch a {
			case "--db":
				if !filepath.IsAbs(next) {
					next = filepath.Join(dir, next)
				}
				files, _ := filepath.Glob(next)
				files = slices.DeleteFunc(files, companion)
				up = up && len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return !mesh.Served(f) })
			case "--listen", "--http":
				if _, port, _ := net.SplitHostPort(next); port != "0" {
					c, err := net.Dial("tcp", next)
					if up = up && err == nil; err == nil {
						c.Close()
					}
				}
			}
		}
		if up {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q does not serve", args)
		}
	}
}

// TestEmbeddingProgram builds the program of docs/embedding.md, inside this
// module but on no disk of it.
func TestEmbeddingProgram(t *testing.T) {
	d := docRun{blocks: docBlocks(t)}
	b, err := d.find("embedding.md", "package main")
	if err != nil || b.lang != "go" {
		t.Fatalf("%+v, %v", b, err)
	}
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	here, err := filepath.Abs("embedded/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{source: b.text, overlay: fmt.Sprintf(`{"Replace": {%q: %q}}`, here, source)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Of several packages go compiles the programs and links none.
	if out, err := exec.Command("go", "build", "-overlay", overlay, "./embedded", "sqlsync/replicate/mesh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
