package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// groupChanges is how many changes are applied in one transaction before it
// commits and the next begins. A batch is never split.
const groupChanges = 5000

// groupBytes is the same in bytes before compression: few bytes of a peer may
// become very many, and do so one batch at a time.
const groupBytes = 32 << 20

// opened is a batch that has been verified and decoded.
type opened struct {
	sealed   *wire.Sealed
	header   wire.Header
	sections []wire.Section
	left     []string // tables whose sections are not there
	unread   bool     // it is private and the key is not here
	changes  int
}

// apply merges batches into the user's tables, in order, and returns the
// vector as it then is, also when a batch in the middle was refused.
func (s *Store) apply(ctx context.Context, name string, from merge.NodeID, batches []*wire.Sealed) (_ merge.Vector, err error) {
	var vector merge.Vector
	var ends []Fork
	defer func() {
		if err == nil {
			err = forkError(ends)
		}
	}()
	batches, ahead := s.inTime(batches)
	if ahead != nil {
		defer func() { err = errors.Join(err, ahead) }()
	}
	of, rank := pace{dataset: name, apply: true}, s.rank(name)
	var next opening
	defer next.wait()
	for len(batches) > 0 {
		group, refused := next.group(s, batches)
		batches = batches[len(group):]
		if refused == nil {
			next.begin(s, batches)
		}
		for len(group) > 0 {
			if err := s.ready(ctx, of); err != nil {
				return s.vectorAfter(ctx, name, err)
			}
			late, done, changes := false, 0, int64(0)
			var elsewhere []string
			var found []Fork
			err := s.writeIn(ctx, name, func(t *tx) error {
				t.work.From = from
				ds, err := t.dataset(name)
				if err != nil {
					return err
				}
				// What the application did before this moment is older than
				// what is about to be merged over it.
				more, err := t.sealBefore(ds, group)
				if err == nil {
					late, err = t.late(ds)
				}
				if done = 0; err != nil || more || late {
					return err
				}
				for _, o := range group {
					if done > 0 && t.spent(rank) {
						break
					}
					if err := t.applyBatch(ds, from, o); err != nil {
						return err
					}
					done++
				}
				changes = t.work.Applied.Changes
				if elsewhere, err = t.lateElsewhere(ds); err != nil {
					return err
				}
				now, err := t.chains(ds)
				if err != nil {
					return err
				}
				vector, found = now.vector(), t.ends
				t.followed = done < len(group) || len(batches) > 0 && refused == nil
				late, err = t.late(ds) // a table may have all by now
				return err
			})
			ends = append(ends, found...)
			switch {
			case err != nil || !late:
			case done > 0: // peers may know already that it is here, so it is not broken off
				err = s.replay(context.WithoutCancel(ctx), name)
			default: // what came earlier goes first
				err = s.replay(ctx, name)
			}
			for _, other := range elsewhere {
				if err == nil {
					err = s.replay(ctx, other)
				}
			}
			if err == nil {
				err = s.mend(context.WithoutCancel(ctx), name)
			}
			if err != nil {
				return s.vectorAfter(ctx, name, err)
			}
			s.spend(of, changes)
			group = group[done:]
		}
		if refused != nil {
			return s.vectorAfter(ctx, name, refused)
		}
		if len(batches) == 0 {
			return vector, nil
		}
	}
	return s.vectorAfter(ctx, name, nil)
}

// inTime leaves out the batches of origins whose clocks are too far ahead: what
// they changed would beat everything that others do until then. They are not
// refused; whoever has them sends them again.
func (s *Store) inTime(batches []*wire.Sealed) (kept []*wire.Sealed, ahead error) {
	limit := s.now().Add(s.maxDrift)
	late := make(map[merge.NodeID]bool)
	for _, b := range batches {
		h, _, err := b.Header()
		if err != nil {
			return batches, nil // whatever is wrong with it is found when it is opened
		}
		if by := h.Last.Time().Sub(s.now()); late[h.Origin] || h.Last.Time().After(limit) && b.Verify(s.verify) == nil {
			if !late[h.Origin] {
				ahead = errors.Join(ahead, fmt.Errorf("%w: %v, by %v; set the clocks right, or wait", wire.ErrAhead, h.Origin, by.Round(time.Second)))
			}
			late[h.Origin] = true
			continue
		}
		kept = append(kept, b)
	}
	return kept, ahead
}

// sealBefore seals what is pending before a group is merged. If the group
// brings this node its own chain back, the file is an older copy of itself:
// then what is pending is another author's, because it would get numbers that
// were given before.
func (t *tx) sealBefore(ds *dataset, group []*opened) (more bool, err error) {
	chains, err := t.chains(ds)
	if err != nil {
		return false, err
	}
	lost := slices.ContainsFunc(group, func(o *opened) bool {
		return o.header.Origin == t.author.Node && o.header.Seq > chains[t.author.Node].Seq
	})
	if lost && t.s.makeAuthor == nil {
		marks, err := t.Int(`SELECT count(*) FROM ` + ds.oplog())
		if err == nil && marks > 0 {
			err = fmt.Errorf("%w, and its application has written since", ErrRolledBack)
		}
		return false, err
	}
	if lost {
		if err := t.renew("a peer has more of its chain than it has"); err != nil {
			return false, err
		}
	}
	return t.sealSome(ds)
}

func (s *Store) vectorAfter(ctx context.Context, name string, err error) (merge.Vector, error) {
	v, verr := s.vector(context.WithoutCancel(ctx), name)
	if err == nil {
		err = verr
	}
	return v, err
}

// openGroup verifies and decodes batches until they make a transaction. It
// takes no lock. refused says why the batch after the group is none.
func (s *Store) openGroup(batches []*wire.Sealed) (group []*opened, refused error) {
	changes := 0
	var bytes int64
	for _, b := range batches {
		claims, err := b.Claims()
		if err != nil {
			return group, err
		}
		if bytes += claims; bytes > groupBytes && len(group) > 0 {
			break
		}
		o, err := s.openBatch(b)
		if err != nil {
			return group, err
		}
		group = append(group, o)
		if changes += o.changes; changes >= groupChanges {
			break
		}
	}
	return group, nil
}

// opening opens the group after the one that is being merged.
type opening struct {
	done    sync.WaitGroup
	begun   bool
	opened  []*opened
	refused error
}

// begin begins to open the first group of batches, if there are any.
func (o *opening) begin(s *Store, batches []*wire.Sealed) {
	if o.begun = len(batches) > 0; o.begun {
		o.done.Go(func() { o.opened, o.refused = s.openGroup(batches) })
	}
}

// group is the first group of batches, which begin may have been given.
func (o *opening) group(s *Store, batches []*wire.Sealed) ([]*opened, error) {
	if !o.begun {
		return s.openGroup(batches)
	}
	o.wait()
	return o.opened, o.refused
}

func (o *opening) wait() { o.done.Wait() }

func (s *Store) openBatch(b *wire.Sealed) (*opened, error) {
	if err := b.Verify(s.verify); err != nil {
		return nil, err
	}
	plain, err := s.revealed(b)
	if errors.Is(err, ErrNoDatasetKey) {
		return openUnread(b)
	}
	if err != nil {
		return nil, err
	}
	batch, err := plain.Open(wire.Limits{})
	if err != nil {
		return nil, err
	}
	o := &opened{sealed: b, header: batch.Header, sections: batch.Sections}
	if o.left, err = b.LeftOut(); err != nil {
		return nil, err
	}
	for i := range o.sections {
		o.changes += len(o.sections[i].Changes)
	}
	return o, nil
}

// openUnread opens a private batch whose key is not here: as far as everybody can.
func openUnread(b *wire.Sealed) (*opened, error) {
	h, dir, err := b.Header()
	if err != nil {
		return nil, err
	}
	if !b.Whole() {
		return nil, fmt.Errorf("%w: private batch %d of %v came without what it encrypts", wire.ErrInvalid, h.Seq, h.Origin)
	}
	return &opened{sealed: b, header: h, changes: dir[0].Changes, unread: true}, nil
}

// applyBatch holds a batch and merges its sections. One that is here already
// is passed over; one that leaves a gap in its chain is refused.
func (t *tx) applyBatch(ds *dataset, from merge.NodeID, o *opened) error {
	chains, err := t.chains(ds)
	if err != nil {
		return err
	}
	h := &o.header
	have := chains[h.Origin]
	switch {
	case h.Dataset != ds.name:
		return fmt.Errorf("%w: batch of dataset %q came on %q", wire.ErrInvalid, h.Dataset, ds.name)
	case h.Seq == have.Seq && o.sealed.Hash() != have.hash:
		return t.forked(ds, h.Origin, h.Seq, from)
	case h.Seq <= have.Seq:
		return t.fill(ds, from, o)
	}
	if next, err := t.continues(ds, from, h, have); err != nil || !next {
		return err
	}
	if err := t.checkPrivate(ds, o); err != nil {
		return err
	}
	pos, err := t.hold(ds, h, o.sealed, o.changes)
	if err != nil {
		return err
	}
	if err := t.leave(ds, h, o.left); err != nil {
		return err
	}
	if t.mine(h.Origin) {
		if err := t.vouch(h.Origin, ds.id); err != nil {
			return err
		}
	}
	t.clock.Observe(h.Last)
	var sections []*wire.Section
	for i := range o.sections {
		sec := &o.sections[i]
		tab := t.cfg.byName[schema.Fold(sec.Table)]
		if tab == nil || !tab.takes(ds) {
			continue // kept with the batch; watching the table replays it
		}
		waits, err := t.waits(tab, ds, pos, h, sec)
		if err != nil {
			return err
		}
		if !waits {
			sections = append(sections, sec)
		}
	}
	for _, sec := range t.inRounds(sections) {
		tab := t.cfg.byName[schema.Fold(sec.Table)]
		if err := t.mergeSection(tab, ds, pos, h, sec); err != nil {
			return fmt.Errorf("apply to %s: %w", tab.name, err)
		}
		if err := t.adoptOrphans(tab, ds); err != nil {
			return fmt.Errorf("apply to %s: %w", tab.name, err)
		}
	}
	return t.finishMerge()
}

// inRounds orders sections where triggers of the application delete rows of
// watched tables, which cannot be held back: what a statement's trigger deletes
// goes before what a later statement of the transaction put there.
func (t *tx) inRounds(sections []*wire.Section) (out []*wire.Section) {
	if len(t.cfg.marked) == 0 {
		return sections
	}
	for _, op := range []merge.Op{merge.Delete, merge.Update, merge.Insert} {
		for _, sec := range sections {
			part := *sec
			part.Changes = slices.DeleteFunc(slices.Clone(sec.Changes), func(c wire.Change) bool { return c.Op != op })
			if len(part.Changes) > 0 {
				out = append(out, &part)
			}
		}
	}
	return out
}

// waits reports whether a section is left to a later replay.
func (t *tx) waits(tab *table, ds *dataset, pos int64, h *wire.Header, sec *wire.Section) (bool, error) {
	switch {
	case tab.def != nil && !tab.keyFits(sec):
		return true, t.awaitKey(tab, ds, pos, h, sec)
	case tab.waiting == "" && tab.late(ds) == 0:
		return false, nil
	}
	if err := t.replayLater(tab, ds, pos); err != nil || tab.def == nil {
		return true, err
	}
	// The node that had the table with another key has it with ours now.
	agreed, err := t.agree(tab, h.Origin, disagreeKey)
	if err == nil && agreed {
		err = t.changed()
	}
	return true, err
}

// mergeSection merges the changes of one section of the batch that a dataset
// holds at pos into a table.
func (t *tx) mergeSection(tab *table, ds *dataset, pos int64, h *wire.Header, sec *wire.Section) error {
	a, err := t.newApplier(tab, ds, pos, h, sec)
	if err != nil {
		return err
	}
	if err := t.came(tab, ds); err != nil {
		return err
	}
	return a.mergeAll(sec.Changes)
}

// mergeAll merges changes chunk by chunk, and then does what depends on all.
func (a *applier) mergeAll(changes []wire.Change) error {
	for part := range slices.Chunk(changes, applyChunk) {
		if err := a.apply(part); err != nil {
			return err
		}
	}
	if a.unevens && !a.fromSnapshot {
		if err := a.remakeUneven(a.tab); err != nil {
			return err
		}
	}
	if err := a.goBack(a.tab); err != nil {
		return err
	}
	if err := a.retryHeld(a.tab); err != nil {
		return err
	}
	return a.keepRange(a.tab)
}
