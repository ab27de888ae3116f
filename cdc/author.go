package cdc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/wire"
)

// A file may turn out to be an older copy of itself, or a copy: put back from a
// backup, rolled back by a loss of power, brought to another machine. Peers may
// have batches of its chain that it does not know of, so none of the next
// numbers may be given again. It goes on as another author: an origin with a
// chain of its own, whose key is derived from the node's secret. The node's name
// stays. The chain that it leaves is one like any other's from then on, and
// what the file had lost of it comes back from peers.

// Author is whom batches are of.
type Author struct {
	Node merge.NodeID
	Sign func(wire.Hash) []byte
}

// author is one with the salt that makes it, nil for the node's own key, and
// the other authors that the file had and has.
type author struct {
	Author
	salt []byte
	mine map[merge.NodeID]bool
}

// ErrRestored says that the file became an older copy of itself while it was
// open. It is to be opened again.
var ErrRestored = errors.New("database was put back from a backup while it was in use")

// Author returns the origin of what is sealed in this file now.
func (s *Store) Author() merge.NodeID { return s.author.Load().Node }

// Mine reports whether an origin is this file, as which author ever.
func (s *Store) Mine(n merge.NodeID) bool {
	a := s.author.Load()
	return n == a.Node || n == s.node || a.mine[n]
}

// Renewed is since when, and why, the file goes on as another author; why is
// empty where it never did.
func (s *Store) Renewed(ctx context.Context) (since time.Time, why string, err error) {
	var ms int64
	err = s.db.QueryRowxContext(ctx, `SELECT coalesce(renewed, 0), coalesce(why, '') FROM sqlsync_node`).Scan(&ms, &why)
	if err != nil {
		return since, "", fmt.Errorf("read author: %w", s.explain(err))
	}
	return time.UnixMilli(ms).UTC(), why, nil
}

// loadAuthor reads the author that a file has which is opened.
func (s *Store) loadAuthor(ctx context.Context) error {
	var salt []byte
	if err := s.db.QueryRowxContext(ctx, `SELECT salt FROM sqlsync_node`).Scan(&salt); err != nil {
		return err
	}
	var keys [][]byte
	if err := s.db.SelectContext(ctx, &keys, `SELECT key FROM sqlsync_origin WHERE mine`); err != nil {
		return err
	}
	if len(salt) > 0 && s.makeAuthor == nil {
		return ErrRolledBack
	}
	a := s.authorOf(salt)
	a.mine = make(map[merge.NodeID]bool)
	for _, key := range keys {
		a.mine[merge.NodeID(key)] = true
	}
	s.author.Store(a)
	return nil
}

// authorOf is the author that a salt makes.
func (s *Store) authorOf(salt []byte) *author {
	if len(salt) == 0 {
		return &author{Author: Author{s.node, s.sign}}
	}
	return &author{Author: s.makeAuthor(salt), salt: salt}
}

// readAuthor takes the author of a transaction, which may be another than that
// of the last: other processes seal, too.
func (t *tx) readAuthor(salt []byte) error {
	t.author = t.s.author.Load()
	if t.author != nil && string(t.author.salt) == string(salt) {
		return nil
	}
	if len(salt) > 0 && t.s.makeAuthor == nil {
		return ErrRolledBack
	}
	t.author = t.s.authorOf(salt)
	return nil
}

const (
	saltLen = 16
	// saltTries bounds the search of renew.
	saltTries = 64
)

// renew goes on as another author. What was marked before the file was copied
// may be sealed in the copy as it was in the file itself, with the same
// timestamps; so that the batches which peers have stand, an author is looked for
// whose key is lower.
func (t *tx) renew(why string) error {
	if t.s.makeAuthor == nil {
		return ErrRolledBack
	}
	twice, err := t.tellsTwice()
	if err != nil {
		return err
	}
	why += twice
	was := t.author.Node
	for range saltTries {
		salt := make([]byte, saltLen)
		rand.Read(salt) // never fails
		t.author = t.s.authorOf(salt)
		if t.author.Node.Compare(was) < 0 {
			break
		}
	}
	for _, node := range []merge.NodeID{was, t.author.Node} {
		id, err := t.origin(node)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`UPDATE sqlsync_origin SET mine = 1 WHERE id = ?`, id); err != nil {
			return fmt.Errorf("renew author: %w", err)
		}
		t.cfg.origins.mine[node] = true
	}
	if _, err := t.Exec(`UPDATE sqlsync_node SET salt = ?, renewed = ?, why = ?`, t.author.salt, t.now.UnixMilli(), why); err != nil {
		return fmt.Errorf("renew author: %w", err)
	}
	t.renewed = why
	return nil
}

// tellsTwice names the tables of which what is pending may have been sealed before
// by the former author and counts again: what two authors add to a counter is
// added up, and rows that nodes number themselves are known by who added them.
// Whatever else is pending merges with itself.
func (t *tx) tellsTwice() (string, error) {
	var parts []string
	for _, tab := range t.cfg.tables {
		if tab.def == nil || !tab.localIDs() && !tab.counts() {
			continue
		}
		n, err := t.Int(`SELECT count(*) FROM `+tab.ds.oplog()+` WHERE table_id = ?`, tab.id)
		if err != nil {
			return "", fmt.Errorf("count marks of %s: %w", tab.name, err)
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d in %s", n, tab.name))
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	return "; changes that were pending may count twice: " + strings.Join(parts, ", "), nil
}

// tellsAgain adds to why the file goes on as another author the tables of which
// it has stated rows again that others may have deleted.
func (t *tx) tellsAgain(tables []string) error {
	if len(tables) == 0 {
		return nil
	}
	var why string
	if err := t.Query(func(row []any) error {
		why, _ = row[0].(string)
		return nil
	}, `SELECT why FROM sqlsync_node`); err != nil || why == "" {
		return err
	}
	const again = "; rows that may have been deleted elsewhere were written again, in "
	why, list, _ := strings.Cut(why, again)
	if list != "" {
		tables = append(tables, strings.Split(list, ", ")...)
	}
	slices.Sort(tables)
	_, err := t.Exec(`UPDATE sqlsync_node SET why = ?`, why+again+strings.Join(slices.Compact(tables), ", "))
	return err
}

// vouch notes that others who have more of a chain of this file's have it as it is
// here; dataset is 0 for all.
func (t *tx) vouch(origin merge.NodeID, dataset int64) error {
	_, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_shared (dataset_id, origin_id, hlc) SELECT dataset_id, origin_id, hlc
		FROM sqlsync_vector WHERE origin_id = (SELECT id FROM sqlsync_origin WHERE key = ?) AND ? IN (0, dataset_id)`, origin[:], dataset)
	if err != nil {
		return fmt.Errorf("note what others have: %w", err)
	}
	return nil
}

// counts reports whether a column of the table is a counter.
func (tab *table) counts() bool {
	return slices.ContainsFunc(tab.cells, func(c tableCell) bool { return c.policy.Kind == cell.Sum })
}

// succeedSelf gives a file that was put back from before a rotation of its key
// the present key. What the old one has sealed since then peers have.
func (s *Store) succeedSelf(t *tx) error {
	if _, err := t.origin(s.node); err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE sqlsync_node SET key = ?`, s.node[:]); err != nil {
		return fmt.Errorf("take the present key: %w", err)
	}
	if err := t.renew("it is of a former key of this node: it was put back"); err != nil {
		return err
	}
	return t.changed()
}

// mine reports whether a node is this one, as which author ever.
func (t *tx) mine(node merge.NodeID) bool {
	return node == t.author.Node || node == t.s.node || t.cfg.origins.mine[node]
}

// lost notes that a peer has more of this file's chain than the file does: what
// is sealed from now on is another author's.
func (t *tx) lost(ds *dataset, had uint64) error {
	own, err := t.chains(ds)
	if err != nil || own[t.author.Node].Seq >= had {
		return err
	}
	return t.renew(fmt.Sprintf("a peer has batch %d of %s, this file %d", had, ds.name, own[t.author.Node].Seq))
}
