package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each entry of the runbook begins with what sqlsync says, in its own words, and
// ends with a check.
func TestRunbook(t *testing.T) {
	page, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	said := sources(t, ".", "../../cdc", "../../replicate", "../../wire", "../../replicate/mesh")
	entries := strings.Split(string(page), "\n## ")[1:]
	if len(entries) < 15 {
		t.Errorf("%d entries", len(entries))
	}
	for _, entry := range entries {
		name, text, _ := strings.Cut(entry, "\n")
		shown, rest, fenced := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "```text\n"), "```")
		if !strings.HasPrefix(strings.TrimSpace(text), "```text\n") || !fenced {
			t.Errorf("%s: does not begin with what status shows", name)
		}
		if !strings.Contains(rest, "\nCheck: ") {
			t.Errorf("%s: does not end with a check", name)
		}
		if !spoken(shown, said) {
			t.Errorf("%s: nothing says %q", name, shown)
		}
	}
}

// sources is the text of the packages in folders.
func sources(t *testing.T, folders ...string) string {
	var b strings.Builder
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}

var words = regexp.MustCompile(`[a-z]+`)

// spoken reports whether three words in a row of a text are in the sources, as
// between the places that a format fills in.
func spoken(text, said string) bool {
	for _, line := range strings.Split(text, "\n") {
		at := words.FindAllStringIndex(line, -1)
		for i := 0; i+2 < len(at); i++ {
			if run := line[at[i][0]:at[i+2][1]]; strings.Contains(said, run) && len(run) > 10 {
				return true
			}
		}
	}
	return false
}
