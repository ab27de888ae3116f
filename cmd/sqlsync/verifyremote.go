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
		here, there, err := c.ask(ctx, m, dataset)
		if err != nil {
			return err
		}
		tables = append(tables, c.compare(f, here, there)...)
	}
	v := &cdc.Verification{Tables: tables, Findings: f.total}
	if a.JSON {
		err = a.printJSON(f.report(v))
	} else {
		f.printMore()
		a.printf("compared %s with %s: %s\n", countOf(int64(len(tables)), "table"), c.Remote, countOf(f.total, "finding"))
	}
	if err == nil && len(tables) == 0 {
		err = hint(fmt.Errorf("there is no table that can be compared with %s's", c.Remote), "sqlsync status and sqlsync tables, here and there, say what is watched and what waits")
	}
	if err != nil || f.total == 0 {
		return err
	}
	return hint(fmt.Errorf("%s", countOf(f.total, "finding")), "run sqlsync verify on both nodes: it finds rows that were written past the capture; sqlsync status tells of rows that cannot be in a table")
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

// ask digests both sides until they stand for the same.
func (c *verifyCmd) ask(ctx context.Context, m *mesh.Member, dataset string) (here, there *wire.Digests, err error) {
	for range remoteTries {
		if there, err = m.Node.Digests(ctx, c.Remote, dataset); err != nil {
			return nil, nil, c.explain(err)
		}
		if here, err = m.Store.Stream(dataset).Digests(ctx); err != nil {
			return nil, nil, explain(m.Store.Path(), err)
		}
		if !here.Pending && !there.Pending && here.Vector.Covers(there.Vector) && there.Vector.Covers(here.Vector) {
			return here, there, nil
		}
	}
	return nil, nil, hint(fmt.Errorf("%s in %s cannot be compared: %s", c.Remote, dataset, c.behind(here, there)),
		"run sqlsync sync %s first, and again when the applications rest", c.Remote)
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
				Detail: fmt.Sprintf("%s here, %s at %s", countOf(int64(t.Rows), "row"), countOf(int64(other.Rows), "row"), c.Remote)})
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

// explain says what to do about a remote that gave no digests.
func (c *verifyCmd) explain(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return hint(fmt.Errorf("%s gave no digests within %v", c.Remote, c.Timeout), "allow more --timeout: the remote reads its tables whole")
	case errors.Is(err, replicate.ErrProtocol):
		return hint(err, "upgrade sqlsync there; until then compare what sqlsync digest prints on both")
	}
	return explainSync(c.Remote, err, c.Timeout)
}
