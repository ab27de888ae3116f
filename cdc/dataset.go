package cdc

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sqlsync/schema"
)

// DefaultDataset is where tables go that are watched without naming one.
const DefaultDataset = "primary"

// How many touched rows one seal covers at most. Source transactions up to this
// size reach every node whole. A batch is applied in one transaction, which what
// is more urgent has to wait for, so that those of other datasets are small.
const (
	primaryBatchRows = 10_000
	otherBatchRows   = 1_000
	// pieceRows is of a source transaction that is not sealed whole, and while
	// something more urgent goes on.
	pieceRows = 250
)

const oplogPrefix = "sqlsync_oplog"

// ErrNoDataset says that a name is no dataset's.
var ErrNoDataset = errors.New("no such dataset")

// dataset is one stream's configuration.
type dataset struct {
	id        int64
	name      string
	enabled   bool
	batchRows int64
	keyWidth  int64
	// follows says that tables and columns which peers have are made here.
	follows bool
	// retention is in milliseconds, 0 for ever; retentionBytes 0 is no bound.
	retention, retentionBytes int64
	// priority says whose transactions go first. rate is in changes per second,
	// pause in milliseconds; 0 is no bound.
	priority, rate, pause int64
	// wants are the tables that peers are asked for, in lower case and
	// ascending, nil for all.
	wants []string
	// private says that its batches are encrypted: see private.go.
	private bool
}

// retentionTime is for how long what everybody has is kept, 0 for ever.
func (d *dataset) retentionTime() time.Duration { return time.Duration(d.retention) * time.Millisecond }

// oplog names the dataset's own partition of the oplog.
func (d *dataset) oplog() string { return fmt.Sprintf("%s_%d", oplogPrefix, d.id) }

func (t *tx) readDatasets() error {
	return t.Query(func(row []any) error {
		d := &dataset{
			id: row[0].(int64), name: row[1].(string), enabled: row[2].(int64) != 0,
			batchRows: row[3].(int64), keyWidth: row[4].(int64), follows: row[5] == int64(1),
			retention: DefaultRetention.Milliseconds(),
		}
		if ms, ok := row[6].(int64); ok {
			d.retention = ms
		}
		d.retentionBytes, _ = row[7].(int64)
		d.priority = usualPriority(d.name)
		if n, ok := row[8].(int64); ok {
			d.priority = n
		}
		d.rate, _ = row[9].(int64)
		d.pause, _ = row[10].(int64)
		d.private = row[11] == int64(1)
		t.cfg.datasets = append(t.cfg.datasets, d)
		return nil
	}, `SELECT id, name, enabled, batch_rows, key_width, follows, retention, retention_bytes, priority, rate, pause, private FROM sqlsync_dataset ORDER BY id`)
}

// dataset returns a dataset by name, ErrNoDataset if there is none.
func (t *tx) dataset(name string) (*dataset, error) {
	for _, d := range t.cfg.datasets {
		if d.name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoDataset, name)
}

// maxDatasetName is in bytes.
const maxDatasetName = 100

// ErrDatasetName says that a dataset cannot have a name.
var ErrDatasetName = errors.New("no name for a dataset")

// CheckDatasetName gives ErrDatasetName for what would have to be quoted on a
// command line or in a metric: a name is of letters, digits, dots, underscores
// and hyphens, and begins with a letter or a digit.
func CheckDatasetName(name string) error {
	ok := name != "" && len(name) <= maxDatasetName && utf8.ValidString(name)
	for i, r := range name {
		ok = ok && (unicode.IsLetter(r) || unicode.IsDigit(r) || i > 0 && strings.ContainsRune("._-", r))
	}
	if !ok {
		return fmt.Errorf("%w: %q", ErrDatasetName, name)
	}
	return nil
}

// addDataset creates a dataset and its partition of the oplog. A partition is
// a table of its own: sealing and pruning one dataset never reads another's
// marks, emptying it is one page operation, and the application's insert of a
// mark is a plain append. It has no key and no constraint, because a conflict
// clause of the application's statement would reach in there.
func (t *tx) addDataset(name string) (*dataset, error) {
	if err := CheckDatasetName(name); err != nil {
		return nil, err
	}
	id, err := t.Int(`SELECT 1 + coalesce(max(id), 0) FROM sqlsync_dataset`)
	if err != nil {
		return nil, err
	}
	d := &dataset{id: id, name: name, enabled: true, batchRows: otherBatchRows, keyWidth: 1, retention: DefaultRetention.Milliseconds(), priority: usualPriority(name)}
	if name == DefaultDataset {
		d.batchRows = primaryBatchRows
	}
	if _, err := t.Exec(`INSERT INTO sqlsync_dataset (id, name, enabled, pos, batch_rows, key_width) VALUES (?, ?, 1, 0, ?, 1)`,
		d.id, d.name, d.batchRows); err != nil {
		return nil, fmt.Errorf("add dataset: %w", err)
	}
	if _, err := t.Exec(`CREATE TABLE ` + d.oplog() + ` (table_id, op, at, k0)`); err != nil {
		return nil, fmt.Errorf("add dataset: %w", err)
	}
	if err := t.viewOplog(); err != nil {
		return nil, err
	}
	return d, t.changed()
}

// widen gives the dataset's oplog as many key columns as a table needs.
func (t *tx) widen(d *dataset, width int) error {
	if int64(width) <= d.keyWidth {
		return nil
	}
	for i := d.keyWidth; i < int64(width); i++ {
		if _, err := t.Exec(fmt.Sprintf(`ALTER TABLE %s ADD COLUMN k%d`, d.oplog(), i)); err != nil {
			return fmt.Errorf("widen oplog: %w", err)
		}
	}
	if _, err := t.Exec(`UPDATE sqlsync_dataset SET key_width = ? WHERE id = ?`, width, d.id); err != nil {
		return err
	}
	d.keyWidth = int64(width)
	return t.viewOplog()
}

// viewOplog makes the view sqlsync_oplog, which shows people all partitions.
func (t *tx) viewOplog() error {
	if _, err := t.Exec(`DROP VIEW IF EXISTS ` + oplogPrefix); err != nil {
		return err
	}
	width, err := t.Int(`SELECT max(key_width) FROM sqlsync_dataset`)
	if err != nil {
		return err
	}
	var parts []string
	err = t.Query(func(row []any) error {
		id, have := row[0].(int64), row[1].(int64)
		var b strings.Builder
		fmt.Fprintf(&b, "SELECT %d AS dataset_id, o.table_id AS table_id, CASE o.op", id)
		for _, op := range []int{schema.OpInsert, schema.OpUpdate, schema.OpDelete, schema.OpDisplaced, schema.OpRowid, opBaseline, opCheck} {
			fmt.Fprintf(&b, " WHEN %d THEN '%s'", op, opNames[op])
		}
		b.WriteString(" END AS op, o.at AS at")
		for k := range width {
			column := "NULL"
			if k < have {
				column = fmt.Sprintf("o.k%d", k)
			}
			fmt.Fprintf(&b, ", %s AS k%d", column, k)
		}
		fmt.Fprintf(&b, " FROM %s_%d AS o", oplogPrefix, id)
		parts = append(parts, b.String())
		return nil
	}, `SELECT id, key_width FROM sqlsync_dataset ORDER BY id`)
	if err != nil {
		return err
	}
	_, err = t.Exec(`CREATE VIEW ` + oplogPrefix + ` AS ` + strings.Join(parts, " UNION ALL "))
	if err != nil {
		return fmt.Errorf("create oplog view: %w", err)
	}
	return nil
}

// Marks that are not an application's.
const (
	// opBaseline marks a row that was there when its table was watched.
	opBaseline = 8
	// opCheck marks a key to be compared because capture may have missed it.
	opCheck = 9
)

// opNames are the words the view shows.
var opNames = map[int]string{
	schema.OpInsert: "insert", schema.OpUpdate: "update", schema.OpDelete: "delete", schema.OpDisplaced: "displaced",
	schema.OpRowid: "rowid", opBaseline: "baseline", opCheck: "check",
}

// usualPriority is that of a dataset which was not given one.
func usualPriority(name string) int64 {
	if name == DefaultDataset {
		return primaryPriority
	}
	return defaultPriority
}
