package cdc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// A table that is moved to another dataset brings rows that are in none of its
// batches, and finds others there. So nodes tell what has arrived: by author, up
// to when the rows are here that it had. Whoever lacks some of what a peer tells
// takes a snapshot of it, and then has the same. It is a vector as that of the
// chains, which grows with moves only: it passes by any way, and what two nodes
// have both is compared once and not sent.

// arrivedEvery is how often what comes in a former dataset, from nodes that have
// not moved a table, is told as arrived.
const arrivedEvery = time.Minute

// What is noted of a peer as of nobody: see sqlsync_arrival.
const (
	heardAbsent = 1
	heardThere  = 2
)

var nobody = merge.NodeID{}

// begun is who holds what was begun to be taken.
var begun = []byte{0}

func (t *tx) readArrivals(tab *table) (err error) {
	tab.arrivals, err = t.arrivalsOf(tab, nil)
	return err
}

// arrivalsOf reads what a peer has said of a table, nil for this node.
func (t *tx) arrivalsOf(tab *table, holder []byte) (wire.Arrivals, error) {
	list := make(wire.Arrivals)
	err := t.Query(func(row []any) error {
		author := nobody
		copy(author[:], row[0].([]byte))
		list[author] = merge.HLC(row[1].(int64))
		return nil
	}, `SELECT author, hlc FROM sqlsync_arrival WHERE table_id = ? AND holder = ?`, tab.id, holderBytes(holder))
	if err != nil {
		return nil, fmt.Errorf("read arrivals: %w", err)
	}
	return list, nil
}

func holderBytes(holder []byte) []byte {
	if holder == nil {
		return []byte{}
	}
	return holder
}

func (t *tx) writeArrivals(tab *table, holder []byte, list wire.Arrivals) error {
	for author, at := range list {
		b := author[:]
		if author == nobody {
			b = []byte{}
		}
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_arrival (table_id, holder, author, hlc) VALUES (?, ?, ?, ?)`,
			tab.id, holderBytes(holder), b, int64(at)); err != nil {
			return fmt.Errorf("note arrivals: %w", err)
		}
	}
	return nil
}

// arrive tells that all rows that a table has now are here. The configuration is
// to be read anew.
func (t *tx) arrive(tab *table) error {
	if err := t.writeArrivals(tab, nil, wire.Arrivals{t.author.Node: t.clock.Next(merge.At(t.now))}); err != nil {
		return err
	}
	_, err := t.Exec(`UPDATE sqlsync_moved SET came = NULL WHERE table_id = ?`, tab.id)
	return err
}

// moveArrivals forgets what was told of a table where it was, and begins anew. A
// snapshot that is on its way to where it is now was asked for without it.
func (t *tx) moveArrivals(tab *table, to *dataset) error {
	if _, err := t.Exec(`DELETE FROM sqlsync_arrival WHERE table_id = ?`, tab.id); err != nil {
		return fmt.Errorf("move arrivals: %w", err)
	}
	if _, err := t.Exec(`UPDATE sqlsync_snapshot SET arrivals = NULL WHERE dataset_id = ?`, to.id); err != nil {
		return fmt.Errorf("move arrivals: %w", err)
	}
	return t.arrive(tab)
}

// tellArrivals is what peers are told of a table: nothing while what is held of
// it is still to be merged.
func (t *tx) tellArrivals(tab *table) (wire.Arrivals, error) {
	if len(tab.arrivals) == 0 {
		return nil, nil
	}
	if ok, err := t.caughtUp(tab); err != nil || !ok {
		return nil, err
	}
	return tab.arrivals, nil
}

// NoteArrivals keeps what a peer's offers say of arrivals. news says that the own
// offers have more to say by that: what is in a table that the peer lacks.
func (d *Stream) NoteArrivals(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (news bool, err error) {
	err = d.s.write(ctx, func(t *tx) error {
		news = false
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		for _, tab := range t.cfg.tables {
			if tab.ds.id != ds.id || tab.def == nil {
				continue
			}
			began, err := t.noteArrivals(tab, peer, offers)
			if err != nil {
				return err
			}
			settled, err := t.settleNeed(ds, tab)
			if err != nil {
				return err
			}
			news = news || began || settled
		}
		if news {
			return t.changed()
		}
		return nil
	})
	return news, err
}

func (t *tx) noteArrivals(tab *table, peer merge.NodeID, offers []wire.TableOffer) (began bool, err error) {
	told := wire.Arrivals{nobody: heardAbsent}
	for _, o := range offers {
		if equalNames(o.Name, tab.name) {
			told = maps.Clone(o.Arrivals)
			if told == nil {
				told = make(wire.Arrivals)
			}
			delete(told, nobody)
			began = len(told) > 0 && len(tab.arrivals) == 0
			told[nobody] = heardThere
		}
	}
	if !began && len(tab.arrivals) == 0 {
		return false, nil
	}
	have, err := t.arrivalsOf(tab, peer[:])
	if err != nil {
		return false, err
	}
	if !maps.Equal(have, told) {
		if _, err := t.Exec(`DELETE FROM sqlsync_arrival WHERE table_id = ? AND holder = ?`, tab.id, peer[:]); err != nil {
			return false, fmt.Errorf("note arrivals: %w", err)
		}
		if err := t.writeArrivals(tab, peer[:], told); err != nil {
			return false, err
		}
	}
	if !began {
		return false, nil
	}
	// A replica that is empty brings nothing.
	rows, err := t.Int(`SELECT EXISTS (SELECT 1 FROM ` + tab.meta() + `)`)
	if err != nil || rows == 0 {
		return false, err
	}
	return true, t.arrive(tab)
}

// settleNeed ends the need of a table of which no peer has more than is here: each
// has told what it has of it, that is here, and none is away.
func (t *tx) settleNeed(ds *dataset, tab *table) (settled bool, err error) {
	needs, err := t.Int(`SELECT needs FROM sqlsync_table WHERE id = ?`, tab.id)
	if err != nil || needs == 0 || len(tab.arrivals) == 0 || tab.waiting != "" {
		return false, err
	}
	remotes, err := t.remotesOf(ds.name)
	if err != nil {
		return false, err
	}
	for _, key := range remotes {
		told, err := t.arrivalsOf(tab, key[:])
		if err != nil {
			return false, err
		}
		heard := told[nobody]
		delete(told, nobody)
		if heard == 0 || heard == heardThere && (len(told) == 0 || !tab.arrivals.Cover(told)) {
			return false, nil
		}
		settled = settled || heard == heardThere
	}
	if !settled {
		return false, nil
	}
	_, err = t.Exec(`UPDATE sqlsync_table SET needs = NULL WHERE id = ?`, tab.id)
	return err == nil, err
}

// remotesOf are the keys of the remotes from which a dataset is taken.
func (t *tx) remotesOf(dataset string) (keys []merge.NodeID, err error) {
	list, err := t.directions()
	for _, r := range list {
		if (r.Datasets == nil || slices.Contains(r.Datasets, dataset)) && r.Direction(dataset).Pull {
			keys = append(keys, r.Key)
		}
	}
	return keys, err
}

// lacksArrivals reports whether a peer tells of arrivals that are not here.
func (t *tx) lacksArrivals(ds *dataset, offers []wire.TableOffer) bool {
	for _, o := range offers {
		for _, tab := range t.cfg.tables {
			if tab.ds.id == ds.id && tab.def != nil && equalNames(o.Name, tab.name) && !tab.arrivals.Cover(o.Arrivals) {
				return true
			}
		}
	}
	return false
}

// movedLately reports whether rows may still be on their way that are in no
// batch: then it is not known of a row that is not here whether it was deleted.
func (t *tx) movedLately(tab *table) bool {
	if len(tab.formers) > 0 {
		return true
	}
	for _, at := range tab.arrivals {
		if t.now.Sub(at.Time()) < movedFor {
			return true
		}
	}
	return false
}

// came notes that changes of a former dataset were merged, of nodes that have not
// moved the table. Peers that take them from there too are not told.
func (t *tx) came(tab *table, ds *dataset) error {
	f := tab.formerly(ds)
	if f == nil || f.came {
		return nil
	}
	missed, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_arrival AS a WHERE a.table_id = ?1 AND a.author = x'' AND a.holder <> x'' AND a.hlc = ?2
		AND NOT EXISTS (SELECT 1 FROM sqlsync_elsewhere AS e WHERE e.node = a.holder AND e.dataset_id = ?3 AND e.name = ?4 COLLATE NOCASE))`, tab.id, heardThere, ds.id, tab.name)
	if err != nil || missed == 0 {
		return err
	}
	f.came = true
	_, err = t.Exec(`UPDATE sqlsync_moved SET came = 1 WHERE table_id = ? AND dataset_id = ?`, tab.id, ds.id)
	return err
}

// ArriveLate tells as arrived what has come in former datasets since it was last
// called, at most once a minute. Nothing is written where nothing has come.
func (d *Stream) ArriveLate(ctx context.Context) error {
	var came bool
	if err := d.s.get(ctx, &came, `SELECT EXISTS (SELECT 1 FROM sqlsync_moved AS m JOIN sqlsync_table AS t ON t.id = m.table_id
		JOIN sqlsync_dataset AS d ON d.id = t.dataset_id WHERE m.came AND d.name = ?)`, d.name); err != nil || !came {
		return err
	}
	return d.s.write(ctx, func(t *tx) error {
		news := false
		for _, tab := range t.cfg.tables {
			if tab.ds.name != d.name || t.now.Sub(tab.arrivals[t.author.Node].Time()) < arrivedEvery {
				continue
			}
			for i := range tab.formers {
				if !tab.formers[i].came {
					continue
				}
				if err := t.arrive(tab); err != nil {
					return err
				}
				news = true
				break
			}
		}
		if news {
			return t.changed()
		}
		return nil
	})
}

// Arriving is a table that was moved to its dataset, here or elsewhere, with rows
// that are in no batch of it.
type Arriving struct {
	Table, Dataset, Remote string
	// Heard says that the remote has said since what it has of them, Here that
	// it has some which are not here, There that there are some here which it
	// has not, so far as is known.
	Heard, Here, There bool
}

// readArriving compares what remotes have told of tables with what is here.
func (t *tx) readArriving() (list []Arriving, err error) {
	remotes := make(map[merge.NodeID]string)
	if err := t.Query(func(row []any) error {
		remotes[merge.NodeID(row[1].([]byte))] = row[0].(string)
		return nil
	}, `SELECT name, key FROM sqlsync_remote`); err != nil {
		return nil, err
	}
	for _, tab := range t.cfg.tables {
		if len(tab.arrivals) == 0 {
			continue
		}
		for _, key := range slices.SortedFunc(maps.Keys(remotes), merge.NodeID.Compare) {
			told, err := t.arrivalsOf(tab, key[:])
			if err != nil {
				return nil, err
			}
			heard := told[nobody]
			delete(told, nobody)
			a := Arriving{tab.name, tab.ds.name, remotes[key], heard != 0, !tab.arrivals.Cover(told), heard != heardAbsent && !told.Cover(tab.arrivals)}
			if a.Here || a.There {
				list = append(list, a)
			}
		}
	}
	return list, nil
}
