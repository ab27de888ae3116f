package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/replicate/mesh"
	"sqlsync/wire"
)

// remoteTries is how often both sides are asked, for what is written between
// makes them differ.
const remoteTries = 5

// remote compares tables with a remote's.
func (c *verifyCmd) remote(ctx context.Context, a *app) error {
	if is, err := a.isNode(ctx); err != nil || !is {
		return cmp.Or(err, unknownRemote(c.Remote, nil))
	}
	m, err := a.member(ctx, a.DB[0])
	if err != nil {
		return err
	}
	defer m.Store.Close()
	datasets, err := c.datasets(ctx, m)
	if err != nil {
		return err
	}
	ctx, cancel := within(ctx, c.Timeout)
	defer cancel()
	f := a.findings()
	var tables []cdc.TableVerification
	for _, dataset := range datasets {
		list, err := c.differ(ctx, f, m, dataset)
		if errors.Is(err, replicate.ErrProtocol) {
			list, err = c.digests(ctx, f, m, dataset)
		}
		if err != nil {
			return err
		}
		tables = append(tables, list...)
	}
	v := &cdc.Verification{Tables: tables, Findings: f.total}
	if a.JSON {
		err = a.printJSON(f.report(v))
	} else if len(tables) > 0 {
		f.printMore()
		a.printf("compared %s with %s: %s\n", countOf(int64(len(tables)), "table"), c.Remote, countOf(f.total, "finding"))
	}
	if err == nil && len(tables) == 0 {
		err = hint(fmt.Errorf("nothing was compared: there is no table that can be compared with %s's", c.Remote), "sqlsync status and sqlsync tables, here and there, say what is watched and what waits")
	}
	if err != nil || f.total == 0 {
		return err
	}
	return hint(fmt.Errorf("%s", countOf(f.total, "finding")), "%s", c.hint(f))
}

// hint says what to do about what was found.
func (c *verifyCmd) hint(f *findings) string {
	rows := "run sqlsync verify on both nodes: it finds rows that were written past the capture; sqlsync status tells of rows that cannot be in a table"
	columns := "add the columns where they are not: ALTER TABLE … ADD COLUMN; the values are kept, and come then"
	switch {
	case c.columns == 0:
		return rows
	case c.columns == f.total:
		return columns
	}
	return columns + "; " + rows
}

// datasets are those that the remote may have.
func (c *verifyCmd) datasets(ctx context.Context, m *mesh.Member) ([]string, error) {
	list, err := m.Store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Name == c.Remote })
	if i < 0 {
		return nil, unknownRemote(c.Remote, list)
	}
	if list[i].Shut(time.Now()) != "" {
		return nil, shut(&list[i])
	}
	return slices.DeleteFunc(m.Store.Datasets(), func(d string) bool {
		return list[i].Datasets != nil && !slices.Contains(list[i].Datasets, d)
	}), nil
}

// differ compares by ranges of keys.
func (c *verifyCmd) differ(ctx context.Context, f *findings, m *mesh.Member, dataset string) (tables []cdc.TableVerification, err error) {
	uncompared, err := m.Store.Uncompared(ctx)
	if err != nil {
		return nil, err
	}
	var result *cdc.Comparison
	err = m.Node.Compare(ctx, c.Remote, dataset, func(ask replicate.Asker) error {
		result, err = m.Store.Stream(dataset).Differ(ctx, cdc.DifferOptions{Ask: ask, Found: func(d cdc.Difference) error {
			if d.Kind == cdc.ColumnsHere || d.Kind == cdc.ColumnsThere {
				c.columns++
			}
			f.add(findingRow{Table: d.Table, Key: rowOf(d.Key), Kind: string(d.Kind), Detail: c.detail(&d), Columns: d.Columns})
			return nil
		}})
		return err
	})
	if err != nil {
		return nil, c.explain(m.Store.Path(), err)
	}
	if result.Unsettled > 0 {
		why := c.behind(&wire.Digests{Vector: result.Here}, &wire.Digests{Vector: result.There})
		if why == "" {
			why = "they are written to all the time"
		}
		return nil, c.notInStep(dataset, fmt.Sprintf("%s: %s", rowsOnTheirWay(result.Unsettled), why))
	}
	for _, u := range uncompared {
		same := slices.ContainsFunc(result.Tables, func(t cdc.TableVerification) bool { return t.Table == u.Table && t.Findings == 0 })
		if same && u.Alone && u.Remote == c.Remote && u.Dataset == dataset {
			if err := m.Store.Compared(ctx, u); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range result.OnlyHere {
		f.a.say("%s: not watched by %s, or waiting there", t, c.Remote)
	}
	for _, t := range result.OnlyThere {
		f.a.say("%s: watched by %s, and not here or waiting here", t, c.Remote)
	}
	return result.Tables, nil
}

func rowsOnTheirWay(n int) string {
	if n == 1 {
		return "1 row is on its way"
	}
	return fmt.Sprintf("%d rows are on their way", n)
}

// detail says of a difference which side has what. It has no values of rows.
func (c *verifyCmd) detail(d *cdc.Difference) string {
	switch d.Kind {
	case cdc.MissingHere:
		return c.Remote + " has it"
	case cdc.MissingThere:
		return c.Remote + " does not have it"
	case cdc.ColumnsHere:
		return columnsOf(d.Columns) + " here and not at " + c.Remote
	case cdc.ColumnsThere:
		return columnsOf(d.Columns) + " at " + c.Remote + " and not here"
	}
	if len(d.Key) == 0 {
		return c.counts(int64(d.Here), int64(d.There))
	}
	return "differs in " + listed(d.Columns)
}

// columnsOf names columns as what there is.
func columnsOf(names []string) string {
	if len(names) == 1 {
		return "column " + listed(names) + " is"
	}
	return "columns " + listed(names) + " are"
}

// counts says how many rows both sides have.
func (c *verifyCmd) counts(here, there int64) string {
	return fmt.Sprintf("%s here, %s at %s", countOf(here, "row"), countOf(there, "row"), c.Remote)
}

// notInStep is the error of two sides of which one lacks what the other has.
func (c *verifyCmd) notInStep(dataset, why string) error {
	return hint(fmt.Errorf("%s in %s cannot be compared: %s", c.Remote, dataset, why),
		"run sqlsync sync %s first, and again when the applications rest", c.Remote)
}

// digests compares with a remote of an earlier version: by digests of whole
// tables, once both stand for the same.
func (c *verifyCmd) digests(ctx context.Context, f *findings, m *mesh.Member, dataset string) ([]cdc.TableVerification, error) {
	here, there, err := c.ask(ctx, m, dataset)
	if err != nil {
		return nil, err
	}
	return c.compare(f, here, there), nil
}

// ask digests both sides until they stand for the same.
func (c *verifyCmd) ask(ctx context.Context, m *mesh.Member, dataset string) (here, there *wire.Digests, err error) {
	for range remoteTries {
		if there, err = m.Node.Digests(ctx, c.Remote, dataset); err != nil {
			return nil, nil, c.explain(m.Store.Path(), err)
		}
		if here, err = m.Store.Stream(dataset).Digests(ctx); err != nil {
			return nil, nil, explain(m.Store.Path(), err)
		}
		if !here.Pending && !there.Pending && here.Vector.Covers(there.Vector) && there.Vector.Covers(here.Vector) {
			return here, there, nil
		}
	}
	return nil, nil, c.notInStep(dataset, c.behind(here, there))
}

// behind says what one side has and the other has not.
func (c *verifyCmd) behind(here, there *wire.Digests) string {
	var parts []string
	if here.Pending {
		parts = append(parts, "this database is being written to")
	}
	if there.Pending {
		parts = append(parts, c.Remote+" is being written to")
	}
	if n := lacks(there.Vector, here.Vector); n > 0 && !there.Pending && !here.Pending {
		parts = append(parts, fmt.Sprintf("%s lacks %s of ours", c.Remote, countOf(n, "batch")))
	}
	if n := lacks(here.Vector, there.Vector); n > 0 && !there.Pending && !here.Pending {
		parts = append(parts, fmt.Sprintf("we lack %s of %s's", countOf(n, "batch"), c.Remote))
	}
	return strings.Join(parts, ", ")
}

// lacks counts the batches up to want that have does not cover.
func lacks(have, want merge.Vector) (n int64) {
	for origin, p := range want {
		n += max(0, int64(p.Seq)-int64(have[origin].Seq))
	}
	return n
}

// compare reports the tables that differ. Those that only one side has, or that
// wait on one, are passed over, with a word.
func (c *verifyCmd) compare(f *findings, here, there *wire.Digests) (tables []cdc.TableVerification) {
	theirs := make(map[string]wire.TableDigest)
	for _, t := range there.Tables {
		theirs[strings.ToLower(t.Name)] = t
	}
	for _, t := range here.Tables {
		other, ok := theirs[strings.ToLower(t.Name)]
		delete(theirs, strings.ToLower(t.Name))
		if !ok {
			f.a.say("%s: not watched by %s, or waiting there", t.Name, c.Remote)
			continue
		}
		v := cdc.TableVerification{Table: t.Name, Rows: int64(t.Rows)}
		if t.Sum != other.Sum {
			v.Findings = 1
			f.add(findingRow{Table: t.Name, Key: row{}, Kind: "differs",
				Detail: c.counts(int64(t.Rows), int64(other.Rows))})
		}
		tables = append(tables, v)
	}
	for _, t := range there.Tables {
		if _, left := theirs[strings.ToLower(t.Name)]; left {
			f.a.say("%s: watched by %s, and not here or waiting here", t.Name, c.Remote)
		}
	}
	return tables
}

// explain says what to do about a remote that cannot be compared with.
func (c *verifyCmd) explain(path string, err error) error {
	switch {
	case errors.Is(err, replicate.ErrProtocol):
		return hint(err, "upgrade sqlsync there; until then compare what sqlsync digest prints on both")
	case errors.Is(err, context.DeadlineExceeded):
		return hint(fmt.Errorf("%s was not compared within %v", c.Remote, c.Timeout), "allow more --timeout: the remote reads its tables whole")
	case errors.Is(err, cdc.ErrLocked):
		return explain(path, err)
	}
	return explainSync(c.Remote, err, c.Timeout)
}
