package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"sqlsync/cdc"
)

// completionScripts ask sqlsync itself what may come next.
var (
	//go:embed completion/sqlsync.bash
	bashCompletion string
	//go:embed completion/sqlsync.zsh
	zshCompletion string
	//go:embed completion/sqlsync.fish
	fishCompletion string
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints a shell's completion script.
func (c *completionCmd) Run(a *app) error {
	a.printf("%s", map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell])
	return nil
}

type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words so far, the last of which is to be completed."`
}

// Run prints what may come next, a line each with what it means after a tab.
// Where that is nothing, shells offer files.
func (c *completeCmd) Run(ctx context.Context, k *kong.Kong, a *app) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, x := range a.complete(ctx, k.Model.Node, words) {
		a.printf("%s\t%s\n", x.word, cell(x.help))
	}
	return nil
}

// candidate is a word that may come next.
type candidate struct{ word, help string }

// command is how far a command line has come.
type command struct {
	node  *kong.Node
	args  int        // positional arguments so far
	flag  *kong.Flag // whose value comes next, nil if none's
	ended bool       // flags are
	db    string
}

func (a *app) complete(ctx context.Context, root *kong.Node, words []string) []candidate {
	c := command{node: root}
	if len(a.DB) == 1 {
		c.db = a.DB[0]
	}
	for _, w := range joinEquals(words[:len(words)-1]) {
		c.take(w)
	}
	last := joinEquals(words)
	word := last[len(last)-1]
	name, value, assigned := strings.Cut(word, "=")
	var list []candidate
	switch {
	case c.flag != nil:
		list = c.values(ctx, c.flag.Value)
	case assigned && strings.HasPrefix(name, "--") && !c.ended:
		if f := c.find(strings.TrimPrefix(name, "--")); f != nil {
			list, word = c.values(ctx, f.Value), value
		}
	case strings.HasPrefix(word, "-") && !c.ended:
		list = c.flags()
	default:
		list = c.next(ctx)
	}
	return slices.DeleteFunc(list, func(x candidate) bool { return !strings.HasPrefix(x.word, word) })
}

// joinEquals undoes what bash does, to which = is a word.
func joinEquals(words []string) (out []string) {
	for i, w := range words {
		n := len(out)
		switch {
		case w == "=" && n > 0 && strings.HasPrefix(out[n-1], "--"):
			out[n-1] += "="
		case i > 0 && words[i-1] == "=" && n > 0 && strings.HasSuffix(out[n-1], "="):
			out[n-1] += w
		default:
			out = append(out, w)
		}
	}
	return out
}

// take goes on by a word that is complete.
func (c *command) take(w string) {
	name, value, assigned := strings.Cut(w, "=")
	switch {
	case c.flag != nil:
		if c.flag.Name == "db" {
			c.db = w
		}
		c.flag = nil
	case w == "--":
		c.ended = true
	case strings.HasPrefix(w, "--") && !c.ended:
		f := c.find(strings.TrimPrefix(name, "--"))
		if f != nil && !assigned && !f.IsBool() {
			c.flag = f
		}
		if f != nil && assigned && f.Name == "db" {
			c.db = value
		}
	case strings.HasPrefix(w, "-") && !c.ended:
	default:
		for _, child := range c.node.Children {
			if child.Name == w && c.args == 0 {
				c.node = child
				return
			}
		}
		c.args++
	}
}

func (c *command) find(name string) *kong.Flag {
	for _, group := range c.node.AllFlags(true) {
		for _, f := range group {
			if f.Name == name {
				return f
			}
		}
	}
	return nil
}

func (c *command) flags() (list []candidate) {
	for _, group := range c.node.AllFlags(true) {
		for _, f := range group {
			list = append(list, candidate{"--" + f.Name, f.Help})
		}
	}
	return list
}

// next are the verbs that may follow, or the values of the next argument.
func (c *command) next(ctx context.Context) (list []candidate) {
	for _, child := range c.node.Children {
		if !child.Hidden && c.args == 0 {
			list = append(list, candidate{child.Name, child.Help})
		}
	}
	if n := len(c.node.Positional); n > 0 && (c.args < n || c.node.Positional[n-1].IsSlice()) {
		list = append(list, c.values(ctx, c.node.Positional[min(c.args, n-1)])...)
	}
	return list
}

// completeWithin is how long a completion may look at a database.
const completeWithin = 2 * time.Second

// values are those of an enumeration, or what the database has. It is only
// looked at, and nobody is asked for a passphrase.
func (c *command) values(ctx context.Context, v *kong.Value) (list []candidate) {
	if v.Enum != "" {
		for _, s := range v.EnumSlice() {
			list = append(list, candidate{word: s})
		}
		return list
	}
	kind := v.Tag.Get("complete")
	if kind == "" || c.db == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	ex, err := cdc.Examine(ctx, c.db)
	if err != nil {
		return nil
	}
	switch kind {
	case "remote":
		for _, r := range ex.Remotes {
			list = append(list, candidate{r.Name, strings.Join(r.Addrs, ", ")})
		}
	case "table":
		for _, t := range ex.Tables {
			list = append(list, candidate{t.Name, ifTrue(t.Watched, "watched in "+t.Dataset)})
		}
	case "dataset":
		tables := map[string]int64{cdc.DefaultDataset: 0}
		for _, t := range ex.Tables {
			if t.Watched {
				tables[t.Dataset]++
			}
		}
		for name, n := range tables {
			list = append(list, candidate{name, countOf(n, "table")})
		}
		slices.SortFunc(list, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
	default:
		panic(fmt.Sprintf("no such completion: %s", kind)) // the grammar itself is wrong
	}
	return list
}
