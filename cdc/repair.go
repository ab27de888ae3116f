package cdc

import (
	"context"
	"fmt"

	"sqlsync/schema"
	"sqlsync/wire"
)

// Repaired is what Repair did.
type Repaired struct {
	// Verification is what was found, and mended or not.
	Verification
	// Triggers counts the triggers that were put back or dropped, by table.
	Triggers map[string]int
	// Rows counts the rows that were sealed as they are, by table.
	Rows map[string]int
	// Left counts the findings that are not mended.
	Left int64
}

// Repair verifies tables and mends what it finds: triggers are installed anew,
// and keys are marked and sealed, so that what was written past the capture
// reaches peers as it is now. Whatever else is wrong is found and left. What it
// finds goes to o.Found as with Verify. A second run finds nothing of what the
// first has mended.
func (s *Store) Repair(ctx context.Context, o VerifyOptions) (*Repaired, error) {
	r := &Repaired{Triggers: make(map[string]int), Rows: make(map[string]int)}
	v := &verifier{s: s, o: o, result: &r.Verification}
	v.o.Found = func(f Finding) error {
		if !f.Kind.Row() && !f.Kind.Trigger() {
			r.Left++
		}
		if o.Found == nil {
			return nil
		}
		return o.Found(f)
	}
	v.mendCapture = func(ctx context.Context, list []Finding) error { return s.mendCapture(ctx, list, r) }
	m := mender{s: s, rows: r.Rows}
	v.mend = m.mend
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	return r, nil
}

// mendCapture installs the triggers of the tables in the findings anew, and
// drops those that are not ours.
func (s *Store) mendCapture(ctx context.Context, list []Finding, r *Repaired) error {
	for _, f := range list {
		r.Triggers[f.Table]++
	}
	return s.write(ctx, func(t *tx) error {
		for _, f := range list {
			if f.Kind == ForeignTrigger {
				if _, err := t.Exec(`DROP TRIGGER IF EXISTS main.` + schema.Quote(f.trigger)); err != nil {
					return fmt.Errorf("drop trigger: %w", err)
				}
				continue
			}
			tab := t.cfg.byName[schema.Fold(f.Table)]
			if tab == nil || tab.def == nil {
				continue
			}
			if err := t.capture(tab); err != nil {
				return err
			}
		}
		return nil
	})
}

// mendMarks is how many keys are marked before they are sealed.
const mendMarks = 10_000

// mender marks keys and seals them, many to a batch.
type mender struct {
	s       *Store
	rows    map[string]int
	pending int
}

// mend marks the rows of findings. Without findings it seals what is left.
func (m *mender) mend(ctx context.Context, tab *table, list []Finding) error {
	if n := int(rowFindings(list)); n > 0 {
		if err := m.s.write(ctx, func(t *tx) error { return t.markFindings(tab, list) }); err != nil {
			return fmt.Errorf("mark rows of %s: %w", tab.name, err)
		}
		m.rows[tab.name] += n
		m.pending += n
	}
	if m.pending == 0 || m.pending < mendMarks && len(list) > 0 {
		return nil
	}
	m.pending = 0
	return m.s.sealWhole(ctx, tab.ds.name)
}

func (t *tx) markFindings(tab *table, list []Finding) error {
	now := t.cfg.byID[tab.id]
	if now == nil || now.def == nil || len(now.key) != len(tab.key) {
		return nil
	}
	for _, f := range list {
		if !f.Kind.Row() {
			continue
		}
		key := make([]wire.Value, len(f.Key))
		for i, k := range f.Key {
			key[i] = k.Value
		}
		if err := t.mark(now, key); err != nil {
			return err
		}
	}
	return nil
}
