package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// VerifyOptions say what is verified and who is told.
type VerifyOptions struct {
	// Tables are verified, nil for all that are watched. Batches are verified
	// only with all.
	Tables []string
	// Found is called for every finding. An error of its ends the work.
	Found func(Finding) error
	// Progress, if not nil, is called now and then with the rows and batches so
	// far.
	Progress func(rows, batches int64)
}

// Verification is what was verified.
type Verification struct {
	Tables  []TableVerification
	Batches int64
	// Findings counts them, those of no table included.
	Findings int64
}

// TableVerification is one table of a Verification.
type TableVerification struct {
	Table          string
	Rows, Findings int64
}

// Verify compares rows with their metadata and capture with what it should be,
// opens every batch, and decodes what is kept aside. What applications have
// committed is sealed first. It reads a range of keys at a time, so it can run
// beside everything else: a row that is written meanwhile is no finding.
//
// Capture that was gone is put back by whatever sqlsync does next, by Verify
// too; it is a finding nevertheless.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (*Verification, error) {
	v := &verifier{s: s, o: o, result: &Verification{}}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	return v.result, nil
}

// verifier is one run of Verify or Repair.
type verifier struct {
	s      *Store
	o      VerifyOptions
	result *Verification
	at     tablesAt
	// mend, if not nil, is given the findings of a range of keys, and none at
	// the end of a table.
	mend func(context.Context, *table, []Finding) error
	// mendCapture, if not nil, is given what was wrong with triggers.
	mendCapture func(context.Context, []Finding) error
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.begin(ctx); err != nil {
		return err
	}
	for _, tab := range slices.Clone(v.at.tables) {
		if err := v.table(ctx, tab); err != nil {
			return err
		}
	}
	if v.o.Tables != nil {
		return nil
	}
	if err := v.verifyImports(ctx); err != nil {
		return err
	}
	return v.s.verifyChains(ctx, v.found, func(n int) {
		v.result.Batches += int64(n)
		v.progress()
	})
}

// begin looks at the triggers before anything is written, and seals.
func (v *verifier) begin(ctx context.Context) error {
	capture, err := v.s.verifyTriggers(ctx)
	if err != nil {
		return err
	}
	if err := v.choose(ctx); err != nil {
		return err
	}
	for _, tab := range v.at.tables {
		v.result.Tables = append(v.result.Tables, TableVerification{Table: tab.name})
	}
	capture = slices.DeleteFunc(capture, func(f Finding) bool { return v.o.Tables != nil && !v.chosen(f.Table) })
	if err := each(capture, v.found); err != nil {
		return err
	}
	if v.mendCapture != nil && len(capture) > 0 {
		if err := v.mendCapture(ctx, capture); err != nil {
			return err
		}
		if err := v.choose(ctx); err != nil {
			return err
		}
	}
	return v.seal(ctx)
}

// choose reads the tables and keeps those that are wanted.
func (v *verifier) choose(ctx context.Context) (err error) {
	if v.at, err = v.s.watchedTables(ctx); err != nil || v.o.Tables == nil {
		return err
	}
	for _, name := range v.o.Tables {
		if !slices.ContainsFunc(v.at.tables, func(tab *table) bool { return equalNames(tab.name, name) }) {
			return fmt.Errorf("%w: %s", ErrNotWatched, name)
		}
	}
	v.at.tables = slices.DeleteFunc(v.at.tables, func(tab *table) bool { return !v.chosen(tab.name) })
	return nil
}

// ErrNotWatched says that a name is no watched table's, or that the table is
// not in the database.
var ErrNotWatched = errors.New("not a watched table")

func (v *verifier) chosen(name string) bool {
	return slices.ContainsFunc(v.o.Tables, func(n string) bool { return equalNames(n, name) })
}

// seal seals what is pending. Metadata that is damaged is a finding later.
func (v *verifier) seal(ctx context.Context) error {
	for _, dataset := range v.s.Datasets() {
		if err := v.s.Seal(ctx, dataset); err != nil && !errors.Is(err, errDamaged) {
			return err
		}
	}
	return nil
}

func (v *verifier) found(f Finding) error {
	v.result.Findings++
	if t := v.entry(f.Table); t != nil {
		t.Findings++
	}
	if v.o.Found == nil {
		return nil
	}
	return v.o.Found(f)
}

func (v *verifier) entry(table string) *TableVerification {
	i := slices.IndexFunc(v.result.Tables, func(t TableVerification) bool { return equalNames(t.Table, table) })
	if i < 0 {
		return nil
	}
	return &v.result.Tables[i]
}

func (v *verifier) progress() {
	if v.o.Progress == nil {
		return
	}
	var rows int64
	for _, t := range v.result.Tables {
		rows += t.Rows
	}
	v.o.Progress(rows, v.result.Batches)
}

// table verifies one table, a range at a time. One that is dropped or loses
// its key meanwhile is left.
func (v *verifier) table(ctx context.Context, tab *table) error {
	sw := sweep{table: tab.id}
	var differing int64
	for done := false; !done; {
		tab, sp, list, err := v.s.compareNext(ctx, &v.at, &sw, verifyKeys)
		if err != nil {
			return err
		}
		if done = sp.done; tab == nil {
			return nil
		}
		v.entry(tab.name).Rows += int64(sp.rows)
		differing += rowFindings(list)
		if err := each(list, v.found); err != nil {
			return err
		}
		if v.mend != nil && len(list) > 0 {
			if err := v.mend(ctx, tab, list); err != nil {
				return err
			}
		}
		v.progress()
	}
	return v.finish(ctx, tab, differing)
}

// finish verifies what a table has beside its rows, and notes for status how
// many rows differ.
func (v *verifier) finish(ctx context.Context, tab *table, differing int64) error {
	for _, verify := range []func(context.Context, *table, func(Finding) error) error{v.s.verifyNulls, v.s.verifyHeld, v.s.verifyConflicts} {
		if err := verify(ctx, tab, v.found); err != nil {
			return err
		}
	}
	if v.mend != nil {
		if err := v.mend(ctx, tab, nil); err != nil {
			return err
		}
		differing = 0
	}
	return v.s.noteDiffering(ctx, tab.id, differing)
}

func rowFindings(list []Finding) (n int64) {
	for _, f := range list {
		if f.Kind.Row() {
			n++
		}
	}
	return n
}
