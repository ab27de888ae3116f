package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

// findingsShown bounds the findings that are listed; all are counted.
const (
	findingsShown = 20
	findingsJSON  = 10_000
)

type verifyCmd struct {
	Remote  string        `arg:"" optional:"" complete:"remote" help:"Compare rows with this remote's; without it, with the metadata here."`
	Timeout time.Duration `default:"10m" help:"How long a remote may take; 0 is as long as it takes."`

	columns int64 // findings of columns that only one side has
}

// Run compares rows with metadata, triggers with what they should be, and
// follows every chain; with a remote it compares rows with its rows.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	if c.Remote != "" {
		return c.remote(ctx, a)
	}
	f := a.findings()
	v, err := f.verify(ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(f.report(v))
	} else {
		f.printMore()
		a.printf("%s: %s\n", summary(v), countOf(v.Findings, "finding"))
	}
	if err != nil || v.Findings == 0 {
		return err
	}
	return f.failure()
}

// verify verifies the database; one that is no node has nothing to look at.
func (f *findings) verify(ctx context.Context) (*cdc.Verification, error) {
	store, err := f.a.look(ctx)
	if err != nil {
		return nil, err
	}
	if store == nil {
		return &cdc.Verification{}, nil
	}
	defer store.Close()
	v, err := store.Verify(ctx, f.options(nil))
	return v, explain(store.Path(), err)
}

// findings gathers what is found, and prints it as it comes.
type findings struct {
	a    *app
	list []findingRow
	// total counts them all; mendable those that repair mends.
	total, mendable int64
	// remedies are for what repair does not mend.
	remedies []string
	last     time.Time
}

type findingRow struct {
	Table  string `json:"table"`
	Key    row    `json:"key"`
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
	// Columns are those that differ, or that only one side has.
	Columns []string `json:"columns,omitempty"`
}

func (a *app) findings() *findings {
	return &findings{a: a, list: []findingRow{}, last: time.Now()}
}

func (f *findings) options(tables []string) cdc.VerifyOptions {
	return cdc.VerifyOptions{Tables: tables, Found: f.found, Progress: f.progress}
}

func (f *findings) found(c cdc.Finding) error {
	if c.Kind.Row() || c.Kind.Trigger() {
		f.mendable++
	}
	r := findingRow{Table: c.Table, Key: rowOf(c.Key), Kind: string(c.Kind), Detail: c.Detail}
	if remedy := remedies[c.Kind]; remedy != "" && !slices.Contains(f.remedies, remedy) {
		f.remedies = append(f.remedies, remedy)
	}
	if c.Seq > 0 {
		r.Detail = fmt.Sprintf("batch %d of %s in %s: %s", c.Seq, nodeKey(c.Origin), c.Dataset, c.Detail)
	}
	f.add(r)
	return nil
}

func (f *findings) add(r findingRow) {
	f.total++
	switch {
	case f.a.JSON && len(f.list) < findingsJSON:
		f.list = append(f.list, r)
	case !f.a.JSON && f.total <= findingsShown:
		f.a.printf("%s\n", r)
	}
}

func (r findingRow) String() string {
	var where []string
	if r.Table != "" {
		where = append(where, cell(r.Table))
	}
	if len(r.Key) > 0 {
		where = append(where, r.Key.String())
	}
	where = append(where, strings.ReplaceAll(r.Kind, "_", " "))
	return strings.Join(where, " ") + ": " + r.Detail
}

func (f *findings) printMore() {
	if more := f.total - findingsShown; more > 0 {
		f.a.printf("… and %d more\n", more)
	}
}

// progress says now and then how far it is.
func (f *findings) progress(rows, batches int64) {
	if time.Since(f.last) < progressEvery {
		return
	}
	f.last = time.Now()
	f.a.say("%s, %s so far", countOf(rows, "row"), countOf(batches, "batch"))
}

// failure says what to do about what was found.
func (f *findings) failure() error {
	err := fmt.Errorf("%s", countOf(f.total, "finding"))
	if f.mendable > 0 {
		return hint(err, "run sqlsync repair")
	}
	return hint(err, "%s", strings.Join(f.remedies, "; "))
}

// remedies are for what repair does not mend.
var remedies = map[cdc.FindingKind]string{
	cdc.DamagedBatch:     batchRemedy,
	cdc.MissingBatch:     batchRemedy,
	cdc.MissingHeld:      heldRemedy,
	cdc.DamagedHeld:      heldRemedy,
	cdc.DamagedMeta:      "unwatch the table and watch it again: its metadata is made anew from the batches",
	cdc.DamagedConflict:  "the conflict cannot be shown; nothing else depends on it",
	cdc.UnfinishedImport: "go on with the import: sqlsync snapshot import FILE; or import another snapshot of the dataset",
	cdc.NullKey:          "give the rows without a key one",
}

const (
	batchRemedy = "the tables are not touched by it, and peers that lack these batches get a snapshot; sqlsync prune --yes drops them once all peers have them; check the disk"
	heldRemedy  = "peers have the row; make this a new node, to which they bring it: sqlsync uninstall --yes, then watch again"
)

type verifyReport struct {
	Tables   []verifiedTable `json:"tables"`
	Findings []findingRow    `json:"findings"`
	// Total counts the findings, also those that are not listed.
	Total   int64 `json:"total"`
	Batches int64 `json:"batches"`
}

type verifiedTable struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Findings int64  `json:"findings"`
}

func (f *findings) report(v *cdc.Verification) verifyReport {
	r := verifyReport{Tables: []verifiedTable{}, Findings: f.list, Total: v.Findings, Batches: v.Batches}
	for _, t := range v.Tables {
		r.Tables = append(r.Tables, verifiedTable(t))
	}
	return r
}

func summary(v *cdc.Verification) string {
	var rows int64
	for _, t := range v.Tables {
		rows += t.Rows
	}
	return fmt.Sprintf("verified %s, %s, %s", countOf(int64(len(v.Tables)), "table"), countOf(rows, "row"), countOf(v.Batches, "batch"))
}

// countOf is a number with its noun.
func countOf(n int64, noun string) string {
	if n == 0 && (noun == "finding" || noun == "failure" || noun == "warning") {
		return "no " + noun + "s"
	}
	return plural.Of(n, noun)
}

// differs is the warning that rows were written past the capture.
func differs(table string, rows int64) string {
	return fmt.Sprintf("%s: %s %s metadata (capture was bypassed); run sqlsync repair", table, plural.Of(rows, "row"),
		plural.Choose(rows, "differs from its", "differ from their"))
}
