package replicatetest

import (
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// writers are the connections by which stores write, by the paths of their files.
var writers = make(map[string]sqlite.ExecQuerierContext)

// hookWriters notes them from now on. Only a store's writer syncs at every commit.
var hookWriters = sync.OnceFunc(func() {
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, dsn string) error {
		path, params, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		if strings.Contains(params, "synchronous(2)") {
			writers[path] = c
		}
		return nil
	})
})

// FillDisk lets the file not grow for the store from now on, or grow again. The
// application may write: it has its marks in pages that are there.
func (n *Node) FillDisk(full bool) {
	most := `PRAGMA max_page_count = 4294967294`
	if full {
		most = `PRAGMA max_page_count = 1` // which is as many as there are
	}
	if _, err := writers[n.path].ExecContext(background, most, nil); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	n.w.Note("disk %d %v", n.index, full)
}

// Damage makes one of the batches that the node holds another, as a bad disk
// does: a bit of it is flipped, or its end is torn off.
func (n *Node) Damage() {
	n.w.keep(n)
	var pos int64
	var sealed []byte
	if err := n.app.QueryRowContext(background, `SELECT coalesce(max(pos), 0), coalesce(max(sealed), x'') FROM (SELECT pos, sealed FROM sqlsync_batch
		WHERE dataset_id = 1 ORDER BY pos LIMIT 1 OFFSET abs(? % max(1, (SELECT count(*) FROM sqlsync_batch WHERE dataset_id = 1))))`,
		n.w.rand.Int64N(1<<30)).Scan(&pos, &sealed); err != nil || len(sealed) == 0 {
		return
	}
	at := n.w.rand.IntN(len(sealed))
	if n.w.rand.IntN(2) == 0 {
		sealed = sealed[:at]
	} else {
		sealed[at] ^= 1 << n.w.rand.IntN(8)
	}
	if _, err := n.app.ExecContext(background, `UPDATE sqlsync_batch SET sealed = ? WHERE dataset_id = 1 AND pos = ?`, sealed, pos); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	n.w.damaged = true
	n.w.Note("damage %d %d %d", n.index, pos, at)
}
