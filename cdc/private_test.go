package cdc_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// keyHolder is a node that has a dataset key, as long as key is not nil.
type keyHolder struct {
	*node
	key    *wire.DatasetKey
	former []wire.DatasetKey
}

func (k *keyHolder) keys(string) ([]wire.DatasetKey, error) {
	if k.key == nil {
		return nil, nil
	}
	return append(slices.Clone(k.former), *k.key), nil
}

func keyedNode(t *testing.T, seed byte, schema string, key *wire.DatasetKey) *keyHolder {
	k := &keyHolder{key: key}
	k.node = openNodeWith(t, seed, t.TempDir()+"/n.db", schema, cdc.Options{DatasetKeys: k.keys})
	if key != nil {
		if err := k.MakePrivate(t.Context(), cdc.DefaultDataset); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

const private = `CREATE TABLE unmistakable (id INTEGER PRIMARY KEY, particular TEXT); CREATE TABLE second (id INTEGER PRIMARY KEY, particular TEXT)`

// A node without the key verifies, holds, prunes and passes on, and has nothing
// that could be read.
func TestPrivateDataset(t *testing.T) {
	key := &wire.DatasetKey{1, 2, 3}
	a, b, relay := keyedNode(t, 1, private, key), keyedNode(t, 2, private, key), keyedNode(t, 3, "", nil)
	a.watch(cdc.WatchOptions{}, "unmistakable", "second")
	b.watch(cdc.WatchOptions{}, "unmistakable")
	for _, n := range []*keyHolder{a, b} {
		n.knows(relay.node)
		relay.knows(n.node)
	}
	a.exec(`INSERT INTO unmistakable VALUES (1, 'of nobody else'); INSERT INTO second VALUES (1, 'of nobody else')`)
	for _, n := range [][2]*keyHolder{{relay, a}, {b, relay}} {
		if err := n[0].ask(n[1].node); err != nil {
			t.Fatal(err)
		}
	}
	b.exec(`UPDATE unmistakable SET particular = 'by b'`)
	for _, n := range [][2]*keyHolder{{relay, b}, {a, relay}} {
		if err := n[0].ask(n[1].node); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []*keyHolder{a, b} {
		if got := n.text(`SELECT particular FROM unmistakable`); got != "by b" {
			t.Errorf("row is %q", got)
		}
	}
	b.watch(cdc.WatchOptions{}, "second") // its changes are in what is held
	if err := b.ask(relay.node); err != nil {
		t.Fatal(err)
	}
	if got := b.text(`SELECT particular FROM second`); got != "of nobody else" {
		t.Errorf("row is %q", got)
	}
	relay.exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	for _, n := range []*keyHolder{relay, a} {
		file, err := os.ReadFile(n.Path())
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"unmistakable", "particular", "nobody", "by b"} {
			if n == relay && bytes.Contains(file, []byte(word)) {
				t.Errorf("the relay has %q", word)
			}
		}
		if bytes.Contains(file, key[:]) {
			t.Error("the key is in the database")
		}
	}
	if err := relay.Log(t.Context(), cdc.Cursor{Dataset: cdc.DefaultDataset}, func(e *cdc.Entry) error {
		t.Errorf("the relay logs %+v", e)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if list := relay.verify(); len(list) > 0 {
		t.Errorf("findings are %v", list)
	}
	if d, err := relay.DatasetSettings(t.Context()); err != nil || !d[0].Private || d[0].Keyed {
		t.Errorf("settings are %+v, %v", d, err)
	}
	relay.exec(`CREATE TABLE mine (id INTEGER PRIMARY KEY)`)
	if _, err := relay.Watch(t.Context(), []string{"mine"}, cdc.WatchOptions{}); !errors.Is(err, cdc.ErrNoDatasetKey) {
		t.Errorf("watch without the key: %v", err)
	}

	// One that comes late to what was pruned has the ends of the chains.
	late := keyedNode(t, 4, "", nil)
	confirms(t, relay.node, a.node)
	confirms(t, relay.node, b.node)
	relay.seal() // which saves what was confirmed
	if relay.prune().Batches == 0 {
		t.Error("the relay prunes nothing")
	}
	late.takeFrom(relay.node)
	if !late.vector().Covers(relay.vector()) {
		t.Errorf("vector is %v of %v", late.vector(), relay.vector())
	}
	a.exec(`INSERT INTO second VALUES (2, 'later')`)
	for _, n := range [][2]*keyHolder{{relay, a}, {late, relay}} {
		if err := n[0].ask(n[1].node); err != nil {
			t.Fatal(err)
		}
	}
	if !late.vector().Covers(a.vector()) {
		t.Errorf("vector is %v of %v", late.vector(), a.vector())
	}
}

// confirms has a node tell another what it has.
func confirms(t *testing.T, to, n *node) {
	t.Helper()
	if err := to.stream().Confirm(t.Context(), n.Node(), n.vector()); err != nil {
		t.Fatal(err)
	}
}

// What is altered on its way, was written without the key, or in clear, is
// refused; what came before stays and the honest part comes all the same.
func TestPrivateDatasetRefuses(t *testing.T) {
	key := &wire.DatasetKey{1}
	a, b := keyedNode(t, 1, private, key), keyedNode(t, 2, private, key)
	other, clear := keyedNode(t, 3, private, &wire.DatasetKey{2}), keyedNode(t, 4, private, nil)
	for _, n := range []*keyHolder{a, b, other, clear} {
		n.watch(cdc.WatchOptions{}, "unmistakable")
	}
	a.exec(`INSERT INTO unmistakable VALUES (1, 'one')`)
	a.seal()
	a.exec(`INSERT INTO unmistakable VALUES (2, 'two')`)
	a.seal()
	list := b.asked(a.node, cdc.DefaultDataset)
	bad := *list[1]
	bad.Sections = [][]byte{bytes.Clone(bad.Sections[0])}
	bad.Sections[0][40] ^= 1
	v, err := b.stream().Apply(t.Context(), a.Node(), []*wire.Sealed{list[0], &bad})
	if !errors.Is(err, wire.ErrInvalid) || v[a.Node()].Seq != 1 {
		t.Errorf("altered: applied up to %d, %v", v[a.Node()].Seq, err)
	}
	bad.Sections[0] = nil
	if _, err := b.stream().Apply(t.Context(), a.Node(), []*wire.Sealed{&bad}); !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("without what it encrypts: %v", err)
	}
	for i, n := range []*keyHolder{other, clear} {
		n.exec(`INSERT INTO unmistakable VALUES (?, 'forged')`, 10+i)
		if err := b.ask(n.node); !errors.Is(err, wire.ErrInvalid) {
			t.Errorf("of node %d: %v", i, err)
		}
	}
	// A member reads what another wrote, and cannot write in its name.
	h, _, err := list[1].Header()
	if err != nil {
		t.Fatal(err)
	}
	h.Private = false // SealPrivate says so
	for name, signed := range map[string]func(wire.Hash) []byte{
		"own key": authorOf(ed25519.NewKeyFromSeed(append(make([]byte, 31), 9))).Sign, "signature of another batch": func(wire.Hash) []byte { return list[1].Signature },
	} {
		forged, err := wire.SealPrivate(&wire.Batch{Header: h, Sections: []wire.Section{{Table: "unmistakable", Key: []string{"id"}, Changes: []wire.Change{
			{Op: merge.Delete, HLC: h.First, Birth: merge.Version{HLC: 1, Origin: h.Origin}, Key: []wire.Value{int64(1)}},
		}}}}, key, signed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.stream().Apply(t.Context(), other.Node(), []*wire.Sealed{forged}); !errors.Is(err, wire.ErrInvalid) {
			t.Errorf("forged by a member with its %s: %v", name, err)
		}
	}
	if err := clear.ask(a.node); !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("private where it is in clear: %v", err)
	}
	if err := b.ask(a.node); err != nil {
		t.Fatal(err)
	}
	if got := b.text(`SELECT group_concat(particular) FROM unmistakable`); got != "one,two" {
		t.Errorf("rows are %s", got)
	}
	if err := clear.MakePrivate(t.Context(), cdc.DefaultDataset); !errors.Is(err, cdc.ErrInClear) {
		t.Errorf("made private with tables in clear: %v", err)
	}
}

// Where the key is lost nothing is sealed and nothing taken until it is back.
func TestDatasetKeyLost(t *testing.T) {
	key := &wire.DatasetKey{1}
	a, b := keyedNode(t, 1, private, key), keyedNode(t, 2, private, key)
	a.watch(cdc.WatchOptions{}, "unmistakable")
	b.watch(cdc.WatchOptions{}, "unmistakable")
	a.exec(`INSERT INTO unmistakable VALUES (1, 'one')`)
	a.seal()
	b.key = nil
	b.exec(`INSERT INTO unmistakable VALUES (2, 'two')`)
	if err := b.Seal(t.Context(), cdc.DefaultDataset); !errors.Is(err, cdc.ErrNoDatasetKey) {
		t.Errorf("sealed without the key: %v", err)
	}
	if err := b.ask(a.node); !errors.Is(err, cdc.ErrNoDatasetKey) {
		t.Errorf("applied without the key: %v", err)
	}
	b.key = key
	for _, n := range [][2]*keyHolder{{b, a}, {a, b}} {
		if err := n[0].ask(n[1].node); err != nil {
			t.Fatal(err)
		}
		if got := n[0].text(`SELECT group_concat(particular) FROM (SELECT particular FROM unmistakable ORDER BY id)`); got != "one,two" {
			t.Errorf("rows are %s", got)
		}
	}
}

// A table that was moved into a private dataset is told in no other.
func TestTableMovedToPrivateDataset(t *testing.T) {
	a := keyHolder{key: &wire.DatasetKey{1}}
	a.node = openNodeWith(t, 1, t.TempDir()+"/n.db", private, cdc.Options{DatasetKeys: a.keys})
	a.watch(cdc.WatchOptions{}, "unmistakable", "second")
	a.seal()
	if err := a.MakePrivate(t.Context(), "own"); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{Dataset: "own"}, "second")
	a.exec(`INSERT INTO second VALUES (1, 'private'); INSERT INTO unmistakable VALUES (1, 'clear')`)
	for dataset, want := range map[string]string{cdc.DefaultDataset: "unmistakable", "own": "second"} {
		told := ""
		for req := (&wire.SnapshotRequest{}); req != nil; {
			part, err := a.Stream(dataset).Snapshot(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range part.Parts {
				b, err := p.Open(wire.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				told += b.Sections[0].Table
			}
			if req = nil; len(part.Cursor) > 0 {
				req = &wire.SnapshotRequest{Cursor: part.Cursor}
			}
		}
		if told != want {
			t.Errorf("snapshot of %s tells %s", dataset, told)
		}
	}
}

// A table that was private is put into clear only by who says so, moved or
// watched again.
func TestPrivateTableIntoClear(t *testing.T) {
	key := &wire.DatasetKey{1}
	a := openNodeWith(t, 1, t.TempDir()+"/n.db", private, cdc.Options{DatasetKeys: (&keyHolder{key: key}).keys})
	for _, name := range []string{"sec", "other"} {
		if err := a.MakePrivate(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	watch := func(o cdc.WatchOptions) cdc.Verdict {
		t.Helper()
		list, err := a.Watch(t.Context(), []string{"Unmistakable"}, o)
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	refused := func(o cdc.WatchOptions) {
		t.Helper()
		v := watch(o)
		if v.Refused == nil || !strings.Contains(v.Refused.Error(), "in clear") {
			t.Errorf("refused by %v", v.Refused)
		}
		if slices.Contains(a.Datasets(), "clear") {
			t.Error("the dataset was made")
		}
	}
	for _, d := range []string{"sec", "other", ""} { // from one private dataset into another
		if v := watch(cdc.WatchOptions{Dataset: d}); v.Refused != nil || v.InClear {
			t.Fatalf("%q: %+v", d, v)
		}
	}
	refused(cdc.WatchOptions{Dataset: "primary"})
	refused(cdc.WatchOptions{Dataset: "clear"})
	if _, err := a.Unwatch(t.Context(), []string{"unmistakable"}); err != nil {
		t.Fatal(err)
	}
	refused(cdc.WatchOptions{})
	refused(cdc.WatchOptions{Dataset: "clear"})
	if v := watch(cdc.WatchOptions{Dataset: "sec"}); v.Refused != nil {
		t.Fatal(v.Refused)
	}
	if v := watch(cdc.WatchOptions{Dataset: "clear", InClear: true}); v.Refused != nil || !v.InClear {
		t.Fatalf("%+v", v)
	}
	if v := watch(cdc.WatchOptions{Dataset: "primary"}); v.Refused != nil || v.InClear {
		t.Fatalf("%+v", v)
	}
}

// A table that was moved into a private dataset is not told as of the one in clear
// where it was, whoever asks and however.
func TestTableMovedIntoPrivateIsNotTold(t *testing.T) {
	key := &wire.DatasetKey{1}
	a := openNodeWith(t, 1, t.TempDir()+"/n.db", private, cdc.Options{DatasetKeys: (&keyHolder{key: key}).keys})
	a.watch(cdc.WatchOptions{}, "unmistakable", "second")
	a.exec(`INSERT INTO unmistakable VALUES (1, 'one')`)
	a.seal()
	if err := a.MakePrivate(t.Context(), "sec"); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{Dataset: "sec"}, "unmistakable")
	all := []wire.KeyRange{{}}
	for _, q := range []wire.Message{
		&wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "unmistakable", Columns: []string{"id"}, Ranges: all},
		&wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: "unmistakable", Ranges: all},
		&wire.StatesRequest{Table: "unmistakable", Columns: []string{"id"}, Keys: [][]byte{wire.AppendRow(nil, []wire.Value{int64(1)})}},
		&wire.RangesRequest{Table: "unmistakable", Ranges: all},
	} {
		if answer, err := a.stream().Compare(t.Context(), q); !errors.Is(err, wire.ErrInvalid) {
			t.Errorf("%T: answered %+v, %v", q, answer, err)
		}
	}
	contents, err := a.stream().Compare(t.Context(), &wire.ContentsRequest{})
	if err != nil || len(contents.(*wire.Contents).Tables) != 1 {
		t.Errorf("contents are %+v, %v", contents, err)
	}
	part, err := a.stream().Snapshot(t.Context(), &wire.SnapshotRequest{}, nil)
	if err != nil || part.Table != "second" {
		t.Errorf("the snapshot tells %q, %v", part.Table, err)
	}
}

// After a rotation what is written is for those that have the new key; what was
// written before, and what those write that have not, can be read by all that had
// the former.
func TestRotatedKey(t *testing.T) {
	old, key := &wire.DatasetKey{1}, &wire.DatasetKey{2}
	a, b, relay := keyedNode(t, 1, private, old), keyedNode(t, 2, private, old), keyedNode(t, 3, "", nil)
	for _, n := range []*keyHolder{a, b} {
		n.watch(cdc.WatchOptions{}, "unmistakable")
	}
	pass := func(to, from *keyHolder) error { return errors.Join(relay.ask(from.node), to.ask(relay.node)) }
	rows := func(n *keyHolder) string {
		return n.text(`SELECT group_concat(particular) FROM (SELECT particular FROM unmistakable ORDER BY id)`)
	}
	a.exec(`INSERT INTO unmistakable VALUES (1, 'one')`)
	if err := pass(b, a); err != nil {
		t.Fatal(err)
	}
	a.key, a.former = key, []wire.DatasetKey{*old}
	a.exec(`INSERT INTO unmistakable VALUES (2, 'two')`)
	if err := pass(b, a); !errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), "not encrypted with a key of the dataset that is here") {
		t.Errorf("without the new key: %v", err)
	}
	b.exec(`INSERT INTO unmistakable VALUES (3, 'three')`) // with the old one
	if err := pass(a, b); err != nil {
		t.Fatal(err)
	}
	if got := rows(b); got != "one,three" {
		t.Errorf("without the new key the rows are %s", got)
	}
	b.key, b.former = key, []wire.DatasetKey{*old}
	if err := pass(b, a); err != nil {
		t.Fatal(err)
	}
	late := keyedNode(t, 4, private, key)
	late.former = a.former
	late.watch(cdc.WatchOptions{}, "unmistakable")
	if err := late.ask(relay.node); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*keyHolder{a, b, late} {
		if got := rows(n); got != "one,two,three" {
			t.Errorf("rows are %s", got)
		}
	}
	private, own, _, err := a.stream().Membership(t.Context(), b.Node())
	if want := key.Proof(cdc.DefaultDataset, a.Node()); err != nil || !private || !own.Same(&want) {
		t.Errorf("shows another key than the new one: %v", err)
	}
}
