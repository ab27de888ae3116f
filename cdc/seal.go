package cdc

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

const (
	// sealChunk is how many marks are read before their metadata is written.
	sealChunk = 2000
	// sealBytes ends a chunk, and a batch, whose values have become this many
	// bytes, whatever the number of rows.
	sealBytes = 8 << 20
	// sealCells ends a batch of very wide rows.
	sealCells = 2 << 20
)

// sealSome seals batch by batch until no marks are left or it is somebody
// else's turn; more says that some are left. While the application writes there
// is one batch to a transaction, see whenWriting.
func (t *tx) sealSome(ds *dataset) (more bool, err error) {
	rank := t.s.rank(ds.name)
	for {
		more, err = t.seal(ds)
		if err != nil || !more || rank.rate > 0 || t.s.shared.writing || t.spent(rank) {
			return more, err
		}
	}
}

// seal turns marks of a dataset into one batch: it compares the rows that were
// touched with their metadata and emits what differs. It covers every
// transaction committed before this one and none half, unless there are more
// marks than the dataset's row limit; more says that some are left. A table
// that cannot be sealed gives a *TableError, with which write runs again.
func (t *tx) seal(ds *dataset) (more bool, err error) {
	where, and := "", ""
	if others := t.cfg.unaside(); others != "" {
		where, and = ` WHERE `+others, ` AND `+others
	}
	last, err := t.Int(`SELECT max(rowid) FROM ` + ds.oplog() + where)
	if err != nil || last == 0 {
		return false, err
	}
	first, err := t.Int(`SELECT min(rowid) FROM ` + ds.oplog() + where)
	if err != nil {
		return false, err
	}
	s := sealer{tx: t, ds: ds, sections: make(map[int64]*wire.Section), seen: make(map[int64]*seenKeys), rowids: make(map[int64]bool)}
	limit := ds.batchRows
	if t.s.shared.above(time.Now(), ds.priority) {
		limit = min(limit, pieceRows)
	}
	if ds.rate > 0 { // at most what it may have in a second
		limit = min(limit, ds.rate)
	}
	if t.together {
		limit = last - first + 1
	}
	end, err := t.upTo(ds, first, last, limit)
	if err != nil {
		return false, err
	}
	from := first - 1
	for from < end && s.roomy() {
		to := min(from+sealChunk, end)
		if from, err = s.chunk(from, to); err != nil {
			return false, err // Seal says of which dataset
		}
	}
	if err := s.finish(); err != nil {
		return false, err
	}
	if from == last && where == "" {
		t.s.commits.forget(ds.id)
		_, err = t.Exec(`DELETE FROM ` + ds.oplog()) // without WHERE: one page operation
	} else {
		_, err = t.Exec(`DELETE FROM `+ds.oplog()+` WHERE rowid <= ?`+and, from)
	}
	if err != nil {
		return false, err
	}
	marked, err := s.captureRowids()
	return marked || from < last, err
}

// sealer gathers one batch.
type sealer struct {
	*tx
	ds       *dataset
	sections map[int64]*wire.Section
	order    []int64
	cells    int
	bytes    int
	// seen are the keys that were marked, by table, with their places among the
	// rows of the batch; those from base on are of the chunk at hand.
	seen map[int64]*seenKeys
	base int
	// rowids are tables in which rowids were given, see captureRowids.
	rowids map[int64]bool
	// unwritten is metadata that is written with the batch: until then the
	// application may have the write lock, see whenWriting. What it is of is
	// in seen, and not compared again.
	unwritten []unwritten
}

// unwritten is metadata of rows of one table.
type unwritten struct {
	tab  *table
	news []remembered
}

// manyChanges are so many that a batch of them is made while their metadata is
// written.
const manyChanges = 100

// sealAndWrite makes the batch and writes the metadata. Without the lock the
// batch goes first, since the application may write until it is complete.
func (s *sealer) sealAndWrite(b *wire.Batch, changes int) (sealed *wire.Sealed, err error) {
	if s.locked.IsZero() || changes < manyChanges {
		if sealed, err = s.sealBatch(s.ds, b); err != nil {
			return nil, err
		}
		return sealed, s.writeMetadata()
	}
	var sealing sync.WaitGroup
	sealing.Go(func() { sealed, err = s.sealBatch(s.ds, b) })
	written := s.writeMetadata()
	sealing.Wait()
	return sealed, errors.Join(err, written)
}

func (s *sealer) roomy() bool {
	return s.bytes < sealBytes && s.cells < sealCells
}

// compare emits what differs between rows and their metadata, and remembers
// the rows as they are.
func (s *sealer) compare(tab *table, rows []touched) error {
	s.base += len(rows)
	// What is done to these rows besides looks at metadata as it is stored.
	direct := tab.special() || slices.ContainsFunc(rows, func(r touched) bool { return r.meta.state == held })
	if direct {
		if err := s.writeMetadata(); err != nil {
			return err
		}
		delete(s.seen, tab.id)
	}
	var news []remembered
	for i := range rows {
		r := &rows[i]
		changed, err := s.difference(tab, r)
		if err != nil {
			return err
		}
		if changed {
			news = append(news, remembered{r.key, &r.meta})
		}
	}
	if direct {
		return s.remember(tab, news)
	}
	s.unwritten = append(s.unwritten, unwritten{tab, news})
	return nil
}

// writeMetadata writes what has been left until now.
func (s *sealer) writeMetadata() error {
	s.writes()
	for _, u := range s.unwritten {
		if err := s.remember(u.tab, u.news); err != nil {
			return u.tab.failed(err)
		}
	}
	s.unwritten = nil
	return nil
}

// difference emits the change of one row, if there is one, and reports whether
// the metadata is to be written.
func (s *sealer) difference(tab *table, r *touched) (bool, error) {
	here, known := r.values != nil, r.meta.exists() && !r.meta.row.Dead
	if tab.appends() {
		return s.appended(tab, r, here, known)
	}
	switch {
	case here && !known:
		s.inserted(tab, r)
	case here:
		return s.updated(tab, r)
	case known && r.meta.state == alive:
		s.deleted(tab, r)
	case known && s.heldAgain.has(tab, r.key):
		return true, s.restatedHeld(tab, r)
	default:
		return false, nil
	}
	return true, nil
}

func (s *sealer) inserted(tab *table, r *touched) {
	c := wire.Change{Op: merge.Insert, HLC: s.stamp(r.at), Key: r.key, Values: r.values}
	c.Baseline = r.baseline && !r.meta.exists()
	birth := c.BirthAt(s.author.Node)
	if c.Baseline && tab.localIDs() {
		all, _ := tab.everything()
		birth = contentBirth(r.key, tab.imageOf(all, r.values))
	}
	r.meta = meta{row: merge.Row{Birth: birth, Latest: birth}, hashes: tab.bornHashes(r.values)}
	r.meta.bearStates(tab, nil, r.values)
	s.emit(tab, c)
}

func (s *sealer) deleted(tab *table, r *touched) {
	c := wire.Change{Op: merge.Delete, HLC: s.stamp(r.at), Birth: r.meta.row.Birth, Key: r.key}
	r.meta.bury(merge.Row{Birth: r.meta.row.Birth, Dead: true, Latest: c.Version(s.author.Node)})
	s.emit(tab, c)
}

// bury makes a tombstone of the metadata. That of a baseline row keeps the
// hashes of the baseline, see meta.bases.
func (m *meta) bury(row merge.Row) {
	m.rebase()
	m.row, m.state, m.states = row, dead, nil
	if !row.Birth.HLC.Baseline() {
		m.hashes = nil
	}
}

func (s *sealer) updated(tab *table, r *touched) (bool, error) {
	columns, slots := tab.differences(r.values, r.meta.hashes)
	if len(columns) == 0 {
		columns, slots = s.insisted.again(tab, r.key)
	}
	if len(columns) == 0 && r.meta.state == alive {
		return false, nil
	}
	if r.meta.state == held {
		if len(columns) > 0 {
			return true, s.supplanted(tab, r)
		}
		r.meta.state = alive // the application brought the row back itself
		return true, s.unhold(tab, r.meta.key)
	}
	// Inserted anew or deleted between two seals, or merged as a whole: the
	// statement wrote every column.
	if r.reborn || tab.rule == merge.WholeRow {
		columns, slots = tab.everything()
	}
	c := wire.Change{Op: merge.Update, HLC: s.stamp(r.at), Birth: r.meta.row.Birth, Key: r.key, Columns: columns}
	v := c.Version(s.author.Node)
	var travels []traveller
	if tab.special() {
		var err error
		if columns, slots, travels, err = s.writeStates(tab, r, columns, slots, v); err != nil || len(columns) == 0 {
			return true, err
		}
		c.Columns = columns
	}
	for _, i := range columns {
		c.Values = append(c.Values, r.values[i])
	}
	for _, tr := range travels {
		c.Columns, c.Values = append(c.Columns, tr.column), append(c.Values, tr.value)
	}
	r.meta.wrote(slots)
	if tab.rule == merge.WholeRow {
		r.meta.row.Latest = v
	} else {
		r.meta.row = r.meta.row.Written(slots, v)
	}
	r.meta.hashes = tab.rehash(r.meta.hashes, columns, r.values)
	s.emit(tab, c)
	return true, nil
}

// stamp gives a change its timestamp: that of its mark, or the next one if the
// clock is past it.
func (s *sealer) stamp(julian float64) merge.HLC {
	const unixEpoch = 2440587.5 // as a Julian day
	ms := int64(math.Round((julian - unixEpoch) * 86_400_000))
	return s.clock.Next(merge.HLC(max(ms, 0) << 16))
}

func (s *sealer) emit(tab *table, c wire.Change) {
	sec := s.sections[tab.id]
	if sec == nil {
		sec = &wire.Section{Table: tab.name, Key: tab.keyNames(), Columns: append(tab.cellNames(), tab.shadowNames()...)}
		s.sections[tab.id] = sec
		s.order = append(s.order, tab.id)
	}
	if c.Op == merge.Insert && len(tab.shadows) > 0 { // an insert has a value for every column
		c.Values = slices.Concat(c.Values, make([]wire.Value, len(tab.shadows)))
	}
	sec.Changes = append(sec.Changes, c)
	s.cells += len(c.Values) + 1
}

// finish makes the batch and appends it to this node's chain.
func (s *sealer) finish() error {
	if len(s.order) == 0 {
		return s.writeMetadata()
	}
	b := wire.Batch{Header: wire.Header{Dataset: s.ds.name, Origin: s.author.Node}}
	slices.Sort(s.order)
	changes := 0
	for _, id := range s.order {
		sec := s.sections[id]
		b.Sections = append(b.Sections, *sec)
		changes += len(sec.Changes)
		first, last := sec.Changes[0].HLC, sec.Changes[len(sec.Changes)-1].HLC
		if b.Header.First == 0 || first < b.Header.First {
			b.Header.First = first
		}
		b.Header.Last = max(b.Header.Last, last)
	}
	chains, err := s.chains(s.ds)
	if err != nil {
		return err
	}
	own := chains[s.author.Node]
	b.Header.Seq, b.Header.Prev = own.Seq+1, own.hash
	var tables []*table
	for _, id := range s.order {
		tables = append(tables, s.cfg.byID[id])
	}
	gap, err := s.gapIn(s.ds, chains, tables)
	if err != nil {
		return err
	}
	if b.Header.Seen, err = s.joinHorizons(chains.horizons(s.author.Node, gap), tables); err != nil {
		return err
	}
	sealed, err := s.sealAndWrite(&b, changes)
	if err != nil {
		return err
	}
	if _, err := s.hold(s.ds, &b.Header, sealed, changes); err != nil {
		return err
	}
	for _, id := range s.order { // what stood in the way of a held row may be gone
		tab := s.cfg.byID[id]
		if err := s.retryHeld(tab); err != nil {
			return tab.failed(err)
		}
		s.touch(s.cfg.byID[id])
	}
	return s.findViolations()
}
