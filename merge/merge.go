package merge

import "slices"

// Op is what a write does to its row.
type Op uint8

// The values are part of the batch format.
const (
	Insert Op = 1
	Update Op = 2
	Delete Op = 3
)

func (o Op) String() string {
	switch o {
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	}
	return "unknown"
}

// Policy says which rules merge the rows of a table.
type Policy uint8

const (
	// LWW keeps per cell the write with the highest version.
	LWW Policy = iota
	// WholeRow keeps the row, or its absence, as the write with the highest
	// version left it. Updates must carry every column.
	WholeRow
)

// Write is one change to one row, as its author sealed it.
type Write struct {
	Op Op
	// Birth names the incarnation that the author wrote to. For an Insert it
	// is the new incarnation.
	Birth Version
	// Version is the version of the write itself. For an Insert it is Birth,
	// with a baseline's sign removed.
	Version Version
	// Columns are the columns whose values the write carries: those an Update
	// sets, all of an Insert's, none of a Delete's. Outcomes may share them.
	Columns []int
	// Merged are further columns, those that have a policy of their own: see
	// package cell.
	Merged []int
}

// columns are all that the write carries.
func (w Write) columns() []int {
	if len(w.Merged) == 0 {
		return w.Columns
	}
	return slices.Concat(w.Columns, w.Merged)
}

// Rank is the version by which a write competes: a baseline competes with its
// negated time, so that anything that was observed beats it.
func (w Write) Rank() Version {
	if w.Op == Insert {
		return w.Birth
	}
	return w.Version
}

// Seen says up to which timestamp the author of a write had applied the
// writes of an origin when it sealed the write.
type Seen func(origin NodeID) HLC

// Effect is what an outcome does to the user's table.
type Effect uint8

const (
	// Keep leaves the row as it is.
	Keep Effect = iota
	// Replace makes the row exactly what the write carries, whether or not
	// there was one.
	Replace
	// Set takes the Outcome's Columns from the write.
	Set
	// Remove deletes the row, if it is there.
	Remove
	// Orphan leaves everything as it is: the write is to an incarnation that
	// has not arrived yet. The caller keeps the write and merges it again when
	// the row's metadata has changed. Under causal delivery this does not
	// happen.
	Orphan
)

// Kind says what sort of conflict a loss is.
type Kind string

const (
	KindCell     Kind = "cell"     // two values of a cell
	KindRow      Kind = "row"      // an update of an incarnation that is no longer the row's, or under WholeRow any
	KindKey      Kind = "key"      // two rows inserted under one key
	KindDelete   Kind = "delete"   // an update of a row that was deleted
	KindBaseline Kind = "baseline" // two nodes were watched with different rows
)

// Loss is a conflict: a value that a user wrote and that does not stand,
// written by someone who had not seen the value that does. The caller drops
// losses whose values turn out to be equal.
type Loss struct {
	Kind          Kind
	Winner, Loser Version
	// Born is the birth of the incarnation that the loser was written to.
	Born Version
	// Incoming says that the write lost; otherwise the row as it was did.
	Incoming bool
	// Columns are those that were lost, nil for the whole row.
	Columns []int
}

// Outcome is what a write comes to.
type Outcome struct {
	// Row is the metadata from now on.
	Row    Row
	Effect Effect
	// Columns are what Set takes from the write.
	Columns []int
	// Merged are columns of the write that their own policy is to merge, and
	// Rebased those that it is to take from another baseline. They go with Set.
	Merged, Rebased []int
	Losses          []Loss
}

// Merge applies a write to a row. It is commutative, associative and
// idempotent in the Row it returns: however writes are ordered, grouped or
// repeated, the same ones stand. seen is that of the write's author.
func Merge(p Policy, local Row, w Write, seen Seen) Outcome {
	m := merger{local: local, w: w, seen: seen}
	if p == WholeRow {
		return m.wholeRow()
	}
	return m.lww()
}

type merger struct {
	local Row
	w     Write
	seen  Seen
}

// unseen reports whether the write's author had not seen local version v.
func (m merger) unseen(v Version) bool {
	return v.Origin != m.w.Version.Origin && v.HLC.Seal() > m.seen(v.Origin)
}

// sameIncarnation reports whether two births name one incarnation. The
// baselines of one key are one incarnation: nodes that began as copies of one
// file hold one row, whose cells merge one by one.
func sameIncarnation(a, b Version) bool {
	return a == b || a.HLC.Baseline() && b.HLC.Baseline()
}

func (m merger) keep() Outcome { return Outcome{Row: m.local} }

// born is the row as the write alone makes it.
func (m merger) born() Row {
	return Row{Birth: m.w.Birth, Dead: m.w.Op == Delete, Latest: m.w.Rank()}
}

// incoming is the loss of the write, or of some of its columns, to winner.
func (m merger) incoming(kind Kind, winner Version, columns []int) Loss {
	return Loss{Kind: kind, Winner: winner, Loser: m.w.Rank(), Born: m.w.Birth, Incoming: true, Columns: columns}
}

func (m merger) lww() Outcome {
	switch {
	case m.local.Exists() && sameIncarnation(m.w.Birth, m.local.Birth):
		return m.within()
	case m.local.Exists() && m.local.Birth.After(m.w.Birth):
		return m.older()
	case m.w.Op == Update:
		return Outcome{Row: m.local, Effect: Orphan}
	}
	return m.newer()
}

// newer merges a write that begins, or ends, an incarnation above the local
// one.
func (m merger) newer() Outcome {
	out := Outcome{Row: m.born(), Effect: Replace}
	kind := KindKey
	if m.w.Op == Delete {
		out.Effect, kind = Remove, KindDelete
	}
	if m.local.Exists() && !m.local.Dead {
		out.Losses = m.overwritten(kind)
	}
	return out
}

// overwritten lists what the row loses to the write: every version in it that
// the write's author had not seen. An author that wrote to the incarnation had
// seen its birth, or a baseline of its own; then the two are to be compared.
func (m merger) overwritten(kind Kind) []Loss {
	var losses lossList
	if same := sameIncarnation(m.w.Birth, m.local.Birth); !same && m.unseen(m.local.Birth) {
		losses = append(losses, Loss{Kind: kind, Winner: m.w.Rank(), Loser: m.local.Birth, Born: m.local.Birth})
	} else if same && m.w.Birth != m.local.Birth && m.unseen(m.local.Birth) {
		losses = append(losses, Loss{Kind: KindBaseline, Winner: m.w.Rank(), Loser: m.local.Birth, Born: m.local.Birth})
	}
	if kind == KindKey {
		kind = KindRow
	}
	for _, c := range m.local.Cells {
		if m.unseen(c.Version) {
			losses.add(Loss{Kind: kind, Winner: m.w.Rank(), Loser: c.Version, Born: m.local.Birth}, c.Column)
		}
	}
	return losses
}

// older merges a write to an incarnation below the local one: it loses.
func (m merger) older() Outcome {
	out := m.keep()
	kind := KindRow
	switch {
	case m.w.Op == Delete:
		return out
	case m.local.Dead:
		kind = KindDelete
	case m.w.Op == Insert:
		kind = KindKey
	}
	out.Losses = []Loss{m.incoming(kind, m.local.Birth, m.w.columns())}
	return out
}

// within merges a write to the local incarnation.
func (m merger) within() Outcome {
	out := m.keep()
	if m.w.Op != Update { // an update of another baseline does not bring its cells
		out.Row.Birth = later(m.local.Birth, m.w.Birth)
	}
	switch {
	case m.w.Op == Delete:
		m.kill(&out)
	case m.w.Op == Insert && m.w.Birth == m.local.Birth:
		// The incarnation as it began is in the row already.
	case m.local.Dead:
		out.Losses = []Loss{m.incoming(KindDelete, m.local.Latest, m.w.columns())}
	case m.w.Op == Insert:
		m.rebase(&out)
	default:
		m.cells(&out)
	}
	return out
}

// kill ends the incarnation, also for cells its author had not seen. Latest is
// then the greatest version of a deletion, so that it does not depend on which
// of the lost updates had arrived before.
func (m merger) kill(out *Outcome) {
	if m.local.Dead {
		out.Row.Latest = later(m.local.Latest, m.w.Version)
		return
	}
	out.Row.Dead, out.Row.Cells, out.Row.Latest = true, nil, m.w.Version
	out.Effect = Remove
	out.Losses = m.overwritten(KindDelete)
}

// rebase merges two baselines of one row: the one that was taken first gives
// the cells that nobody has written since.
func (m merger) rebase(out *Outcome) {
	out.Row.Latest = later(m.local.Latest, m.w.Birth)
	if out.Rebased = m.w.Merged; len(out.Rebased) > 0 {
		out.Effect = Set
	}
	if m.local.Birth.After(m.w.Birth) {
		out.Losses = []Loss{m.incoming(KindBaseline, m.local.Birth, m.w.columns())}
		return
	}
	var losses lossList
	for _, c := range m.w.Columns {
		if have := m.local.Cell(c); have.HLC.Baseline() {
			out.Columns = append(out.Columns, c)
			losses.add(Loss{Kind: KindBaseline, Winner: m.w.Birth, Loser: have, Born: m.local.Birth}, c)
		} else {
			losses.add(m.incoming(KindBaseline, have, nil), c)
		}
	}
	for _, c := range m.w.Merged {
		if have := m.local.Cell(c); have.HLC.Baseline() {
			losses.add(Loss{Kind: KindBaseline, Winner: m.w.Birth, Loser: have, Born: m.local.Birth}, c)
		}
	}
	out.Effect = Set
	out.Losses = losses
}

// cells merges an update cell by cell.
func (m merger) cells(out *Outcome) {
	var losses lossList
	for _, c := range m.w.Columns {
		have := m.local.Cell(c)
		switch order := m.w.Version.Compare(have); {
		case order > 0:
			out.Columns = append(out.Columns, c)
			if !have.HLC.Baseline() && have != m.w.Birth && m.unseen(have) { // who writes to a row has seen its birth
				losses.add(Loss{Kind: KindCell, Winner: m.w.Version, Loser: have, Born: m.local.Birth}, c)
			}
		case order < 0:
			losses.add(m.incoming(KindCell, have, nil), c)
		}
	}
	if len(out.Columns) > 0 {
		out.Effect = Set
		out.Row = out.Row.Written(out.Columns, m.w.Version)
	}
	for _, c := range m.w.Merged {
		out.Effect, out.Merged = Set, m.w.Merged
		out.Row = out.Row.Written([]int{c}, later(m.local.Cell(c), m.w.Version))
	}
	out.Losses = losses
}

// lossList gathers lost columns into one Loss per pair of versions.
type lossList []Loss

func (l *lossList) add(loss Loss, column int) {
	for i := range *l {
		if (*l)[i].Winner == loss.Winner && (*l)[i].Loser == loss.Loser {
			(*l)[i].Columns = append((*l)[i].Columns, column)
			return
		}
	}
	loss.Columns = []int{column}
	*l = append(*l, loss)
}

// wholeRow merges row by row: the highest version stands, delete or not.
func (m merger) wholeRow() Outcome {
	rank := m.w.Rank()
	switch order := rank.Compare(m.local.Latest); {
	case !m.local.Exists() || order > 0:
		out := Outcome{Row: m.born(), Effect: Replace}
		if m.w.Op == Delete {
			out.Effect = Remove
		}
		if m.local.Exists() && !m.local.Dead && m.unseen(m.local.Latest) {
			out.Losses = []Loss{{Kind: KindRow, Winner: rank, Loser: m.local.Latest, Born: m.local.Birth}}
		}
		return out
	case order < 0 && m.w.Op != Delete:
		out := m.keep()
		out.Losses = []Loss{m.incoming(KindRow, m.local.Latest, m.w.Columns)}
		return out
	}
	return m.keep()
}

func later(a, b Version) Version {
	if b.After(a) {
		return b
	}
	return a
}
