package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/schema"
)

// bundleText is for who opens a bundle.
const bundleText = `What "sqlsync doctor --bundle" saw. It has names of tables, columns, datasets and
remotes, addresses, and the starts of public keys. It has no values of rows, no
text of the schema (which may have values in defaults and checks), no commands
and addresses of hooks, no key, passphrase or token. The log of a service is
not here: journalctl -u sqlsync shows it under systemd.
`

// bundle is a support archive that is being filled.
type bundle struct {
	tar *tar.Writer
	now time.Time
}

// writeBundle writes a support archive to a new file.
func (a *app) writeBundle(d *doctor, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return hint(fmt.Errorf("%s is there already", path), "name a new file for --bundle")
	case err != nil:
		return hint(fmt.Errorf("write bundle: %w", err), "check the folder and its permissions")
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(path)
		}
	}()
	z := gzip.NewWriter(f)
	b := &bundle{tar.NewWriter(z), d.now}
	if err := a.fillBundle(b, d); err != nil {
		return err
	}
	if err := errors.Join(b.tar.Close(), z.Close()); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	a.say("wrote %s: look through it before you pass it on", path)
	return nil
}

func (a *app) fillBundle(b *bundle, d *doctor) error {
	if err := b.file("README.txt", []byte(bundleText)); err != nil {
		return err
	}
	parts := []struct {
		name string
		make func() (any, error)
	}{
		{"about.json", func() (any, error) { return about(d), nil }},
		{"doctor.json", func() (any, error) { return d.report, nil }},
		{"database.json", func() (any, error) { return outline(d) }},
		{"status.json", func() (any, error) { return a.bundledStatus(d) }},
	}
	for _, p := range parts {
		v, err := p.make()
		if err != nil { // as much as there is
			v = map[string]string{"error": err.Error()}
		}
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if err := b.file(p.name, append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) file(name string, text []byte) error {
	text = scrub(text)
	h := &tar.Header{Name: "sqlsync-bundle/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: b.now.Truncate(time.Second)}
	if err := b.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := b.tar.Write(text); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

var (
	publicKeys = regexp.MustCompile(`sqlsync1[0-9a-z]{8}[0-9a-z]+`)
	secretKeys = regexp.MustCompile(`(?i)sqlsync-(secret|ticket)[0-9a-z]+`)
	userInfo   = regexp.MustCompile(`://[^/\s"@]+@`)
	// Expressions of policies and checks, which may have values, to the end of
	// the JSON string.
	expressions = regexp.MustCompile(`(sql:|CHECK constraint failed: )([^"\\]|\\.)*`)
)

const leftOut = "[left out]"

// scrub takes out of JSON what may be in the text of an error: secrets, values,
// and all but the start of public keys.
func scrub(text []byte) []byte {
	for _, name := range []string{passphraseEnv, tokenEnv} {
		if secret := os.Getenv(name); secret != "" {
			quoted, _ := json.Marshal(secret) // a string
			for _, form := range [][]byte{[]byte(secret), quoted[1 : len(quoted)-1]} {
				text = bytes.ReplaceAll(text, form, []byte(leftOut))
			}
		}
	}
	text = secretKeys.ReplaceAll(text, []byte(leftOut))
	text = expressions.ReplaceAll(text, []byte("${1}"+leftOut))
	text = userInfo.ReplaceAll(text, []byte("://"+leftOut+"@"))
	return publicKeys.ReplaceAllFunc(text, func(key []byte) []byte {
		return append(slices.Clone(key[:len("sqlsync1")+8]), "…"...)
	})
}

// about is the program and the machine.
func about(d *doctor) any {
	var variables []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "SQLSYNC_") {
			variables = append(variables, name)
		}
	}
	return map[string]any{
		"sqlsync": version(), "go": runtime.Version(), "sqlite": sqliteVersion(d.ctx), "os": runtime.GOOS, "arch": runtime.GOARCH,
		"cpus": runtime.NumCPU(), "time": d.now.UTC().Format(time.RFC3339), "variables": variables,
	}
}

type outlined struct {
	Table        string           `json:"table"`
	Kind         string           `json:"kind"`
	Columns      []outlinedColumn `json:"columns"`
	PrimaryKey   []int            `json:"primary_key"`
	Unique       [][]int          `json:"unique"` // -1 is an expression
	Indexes      int              `json:"indexes"`
	ForeignKeys  []string         `json:"foreign_keys"`
	Triggers     []string         `json:"triggers"`
	Watched      bool             `json:"watched"`
	Dataset      string           `json:"dataset"`
	Key          []string         `json:"key"`
	Policy       string           `json:"policy"`
	WithoutRowid bool             `json:"without_rowid"`
	Strict       bool             `json:"strict"`
}

type outlinedColumn struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	NotNull   bool   `json:"not_null"`
	Default   bool   `json:"default"`
	Generated bool   `json:"generated"`
}

// outline is the schema without any literal.
func outline(d *doctor) (any, error) {
	if d.ex == nil {
		return nil, errors.New("the database cannot be read")
	}
	tables, err := cdc.Outline(d.ctx, d.path)
	if err != nil {
		return nil, err
	}
	list := []outlined{}
	for _, t := range tables {
		list = append(list, outlineOf(t, d.ex))
	}
	return map[string]any{
		"page_size": d.ex.PageSize, "pages": d.ex.Pages, "encoding": d.ex.Encoding, "journal_mode": d.ex.JournalMode,
		"version": d.ex.Version, "node": d.ex.IsNode, "listening": d.ex.Listening, "tables": list,
	}, nil
}

func outlineOf(t *schema.Table, ex *cdc.Examination) outlined {
	o := outlined{Table: t.Name, Kind: "table", PrimaryKey: t.PrimaryKey, Indexes: len(t.Indexes), WithoutRowid: t.WithoutRowid, Strict: t.Strict}
	switch {
	case t.Virtual:
		o.Kind = "virtual"
	case t.Shadow:
		o.Kind = "shadow"
	}
	for _, c := range t.Columns {
		o.Columns = append(o.Columns, outlinedColumn{c.Name, c.Type, c.NotNull, c.HasDefault, c.Generated})
	}
	for _, ix := range t.Unique {
		o.Unique = append(o.Unique, ix.Columns)
	}
	for _, fk := range t.ForeignKeys {
		o.ForeignKeys = append(o.ForeignKeys, fk.Parent)
	}
	for _, trigger := range t.Triggers {
		o.Triggers = append(o.Triggers, trigger.Name)
	}
	for _, x := range ex.Tables {
		if x.Watched && schema.Same(x.Name, t.Name) {
			o.Watched, o.Dataset, o.Key = true, x.Dataset, x.Key
			o.Policy, _, _ = strings.Cut(x.Policy, ":") // an expression may have values
		}
	}
	return o
}

// bundledStatus is the status without what hooks say, who may print what they
// were given.
func (a *app) bundledStatus(d *doctor) (any, error) {
	if d.ex == nil || !d.ex.IsNode || d.id == nil {
		return nil, errors.New("the database is no node, or its key cannot be read")
	}
	with := *a
	with.unlocked = d.id
	store, err := with.open(d.ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	st, err := readStatus(d.ctx, store)
	if err != nil {
		return nil, err
	}
	st.Warnings = slices.DeleteFunc(st.Warnings, func(w string) bool { return strings.HasPrefix(w, "hook ") })
	hooks, err := bundledHooks(d.ctx, store)
	if err != nil {
		return nil, err
	}
	kinds := make(map[string]int)
	conflicts, err := store.Conflicts(d.ctx)
	for _, c := range conflicts {
		kinds[c.Table+": "+string(c.Kind)]++
	}
	return map[string]any{"status": st, "hooks": hooks, "conflicts": kinds}, err
}

type bundledHook struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Dataset string `json:"dataset"`
	Table   string `json:"table"`
	Failing string `json:"failing_since"`
	Trusted bool   `json:"trusted"`
}

func bundledHooks(ctx context.Context, store *cdc.Store) ([]bundledHook, error) {
	list := []bundledHook{}
	hooks, err := store.Hooks(ctx)
	for _, h := range hooks {
		b := bundledHook{Name: h.Name, Kind: "command", Dataset: h.Dataset, Table: h.Table, Trusted: h.Trusted}
		if h.URL != "" {
			b.Kind = "url"
		}
		if h.Error != "" {
			b.Failing = h.Since.Format(time.RFC3339)
		}
		list = append(list, b)
	}
	return list, err
}
