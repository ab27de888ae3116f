package cdc

import (
	"fmt"

	"sqlsync/merge"
	"sqlsync/wire"
)

// FindingKind says what is not as it should be.
type FindingKind string

// Kinds of findings. Repair mends rows and triggers.
const (
	// MissingRow is metadata of a row that is not in its table.
	MissingRow FindingKind = "missing_row"
	// UncapturedRow is a row that no metadata speaks of.
	UncapturedRow FindingKind = "row_not_captured"
	// DifferingRow is a row that has other values than its metadata says.
	DifferingRow FindingKind = "differing_row"
	// NullKey are rows that cannot be told apart, and are not replicated.
	NullKey FindingKind = "null_in_key"
	// DamagedMeta is metadata that cannot be read.
	DamagedMeta FindingKind = "metadata_damaged"

	MissingTrigger FindingKind = "trigger_missing"
	AlteredTrigger FindingKind = "trigger_altered"
	// ForeignTrigger has a name of ours and is not.
	ForeignTrigger FindingKind = "trigger_foreign"

	DamagedBatch FindingKind = "batch_damaged"
	MissingBatch FindingKind = "batch_missing"

	// MissingHeld is a row that metadata says is held, and is not.
	MissingHeld     FindingKind = "held_row_missing"
	DamagedHeld     FindingKind = "held_row_damaged"
	DamagedConflict FindingKind = "conflict_damaged"

	// UnfinishedImport is a snapshot file that was taken in part.
	UnfinishedImport FindingKind = "import_unfinished"
)

// Row reports whether the finding is a row that was written past the capture.
func (k FindingKind) Row() bool {
	return k == MissingRow || k == UncapturedRow || k == DifferingRow
}

// Trigger reports whether the finding is about capture itself.
func (k FindingKind) Trigger() bool {
	return k == MissingTrigger || k == AlteredTrigger || k == ForeignTrigger
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Kind FindingKind
	// Table is empty for batches, and Key for what is no row.
	Table string
	Key   []NamedValue
	// Dataset, Origin and Seq name a batch.
	Dataset string
	Origin  merge.NodeID
	Seq     uint64
	// Detail says more, in words. It has no values of rows.
	Detail string

	trigger string // its name
}

func (tab *table) finding(kind FindingKind, key []wire.Value, format string, args ...any) Finding {
	f := Finding{Kind: kind, Table: tab.name, Detail: fmt.Sprintf(format, args...)}
	for i, v := range key {
		f.Key = append(f.Key, NamedValue{tab.keyCols[i], v})
	}
	return f
}
