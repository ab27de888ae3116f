package replicatetest

import (
	"maps"
	"slices"

	"sqlsync/merge"
)

// concurrent reports whether neither author of two writes had seen the other's.
// One that is not known was of a node that has lost it: it is no concern here.
func (m *model) concurrent(a, b stamp) bool {
	a, b = a.unsigned(), b.unsigned()
	wa, wb := m.by[a], m.by[b]
	return wa == nil || wb == nil || !wa.knew(b) && !wb.knew(a)
}

// deletedBeside reports whether a row was deleted by somebody who had not seen a
// write to it: others may have said that again who had.
func (m *model) deletedBeside(t *Table, key string, a stamp) bool {
	return slices.ContainsFunc(m.writes[t.Name][key], func(w *write) bool { return w.op == merge.Delete && m.concurrent(w.at, a) })
}

// knew reports whether a write's author had seen another: it had seen the
// birth of a row that it wrote to, whatever its batch says.
func (w *write) knew(o stamp) bool {
	me := w.at.unsigned()
	return w.op != merge.Insert && w.born.unsigned() == o || me.node == o.node && me.time > o.time || me.node != o.node && w.seen(o.node) >= o.time
}

// checkLost looks for values that are neither there, nor were overwritten by
// someone who had seen them, nor are listed.
func (n *Node) checkLost(m *model, t *Table, listed map[stamp]bool) {
	for key, writes := range m.writes[t.Name] {
		s := rules[t.Policy](writes)
		for _, w := range writes {
			// Of two baselines that differ, the one that stands is not listed where
			// it goes when the other's node deletes the row.
			if w.op == merge.Delete || w.at.time < 0 || listed[w.at.unsigned()] {
				continue
			}
			for _, c := range slices.Sorted(maps.Keys(w.values)) {
				if t.place(c) >= 0 && t.Policies[c] == "" && !t.isKey(t.place(c)) && n.lostValue(s, w, writes, c) {
					n.w.tb.Errorf("node %d: %s %s: %s written as %s by %v is lost and not listed", n.index, t.Name, key, c, exact(w.values[c]), w.at)
				}
			}
		}
	}
}

func (n *Node) lostValue(s *standing, w *write, writes []*write, c string) bool {
	if s != nil && exact(s.values[c]) == exact(w.values[c]) {
		return false
	}
	return !slices.ContainsFunc(writes, func(o *write) bool {
		if o == w {
			return false
		}
		v, writes := o.values[c]
		if n.w.gradual && o.at.node == n.id && o.at.time > w.at.time {
			return true // of what was seen in a table beside one with a gap its batch says less
		}
		return o.knew(w.at.unsigned()) && (writes || o.op != merge.Update) ||
			writes && exact(v) == exact(w.values[c]) // it may have met its equal first
	})
}
