package cdc_test

import (
	"strings"
	"testing"

	"sqlsync/cdc"
)

// meet tells two nodes of each other's tables, as a session does at first.
func meet(a, b *node) (aWants, bWants bool) {
	return a.agree(b), b.agree(a)
}

func (n *node) agree(peer *node) (wantsSchema bool) {
	n.t.Helper()
	offers, err := peer.Stream(cdc.DefaultDataset).Offers(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	wants, err := n.Stream(cdc.DefaultDataset).Agree(n.t.Context(), peer.Node(), offers)
	if err != nil {
		n.t.Fatal(err)
	}
	return wants
}

func (n *node) waiting(table string) string {
	n.t.Helper()
	st, err := n.Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return st.Waiting[table]
}

// A table that the two merge by different policies waits until they are the
// same; nothing of it is lost, and other tables go on.
func TestTableOfAnotherPolicyWaitsAlone(t *testing.T) {
	const tables = items + `; CREATE TABLE other (id INTEGER PRIMARY KEY)`
	a, b := newNode(t, 1, tables), newNode(t, 2, tables)
	a.watch(cdc.WatchOptions{Policy: "row"}, "items")
	b.watch(cdc.WatchOptions{}, "items")
	a.watch(cdc.WatchOptions{}, "other")
	b.watch(cdc.WatchOptions{}, "other")
	meet(a, b)
	for _, n := range []*node{a, b} {
		if why := n.waiting("items"); !strings.Contains(why, `"row"`) || !strings.Contains(why, `"lww"`) {
			t.Errorf("items waits for %q", why)
		}
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'); INSERT INTO other VALUES (7)`)
	exchange(a, b)
	if got := b.text(`SELECT (SELECT count(*) FROM items) || (SELECT count(*) FROM other)`); got != "01" {
		t.Fatalf("B has %s rows of items and other, want none and one", got)
	}
	b.watch(cdc.WatchOptions{Policy: "row"}, "items")
	meet(a, b)
	if why := a.waiting("items") + b.waiting("items"); why != "" {
		t.Errorf("items still waits for %q", why)
	}
	converge(t, a, b)
	if got := b.text(`SELECT name FROM items`); got != "one" {
		t.Errorf("B has %q", got)
	}
}

// Where the dataset follows, what the other side creates and adds is made.
func TestSchemaFollows(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, "")
	follow := true
	if err := b.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{FollowSchema: &follow}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items")
	adopt := func() {
		t.Helper()
		aWants, bWants := meet(a, b)
		if aWants || !bWants {
			t.Fatalf("wants the schema: a %v, b %v", aWants, bWants)
		}
		from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Stream(cdc.DefaultDataset).Adopt(t.Context(), a.Node(), from); err != nil {
			t.Fatal(err)
		}
		if _, again := meet(a, b); again {
			t.Error("wants the schema again")
		}
	}
	adopt()
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one')`)
	converge(t, a, b)
	a.exec(`ALTER TABLE items ADD COLUMN "unit price" NUMERIC(10, 2) NOT NULL DEFAULT 0 CHECK ("unit price" >= 0)`)
	a.exec(`UPDATE items SET "unit price" = 2.5`)
	exchange(a, b)
	adopt()
	converge(t, a, b)
	if got := b.text(`SELECT "unit price" FROM items`); got != "2.5" {
		t.Errorf("the price is %q", got)
	}
	if st, err := b.Status(t.Context()); err != nil || len(st.Absent)+len(st.Lacking) != 0 {
		t.Errorf("status says %+v, %v", st, err)
	}
}

// Where it does not follow, status says what is not here.
func TestWhatIsNotHereIsTold(t *testing.T) {
	a, b := newNode(t, 1, items+`; CREATE TABLE more (id INTEGER PRIMARY KEY, x)`), newNode(t, 2, `CREATE TABLE more (id INTEGER PRIMARY KEY)`)
	if err := b.AddRemote(t.Context(), cdc.Remote{Name: "office", Key: a.Node(), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items", "more")
	b.watch(cdc.WatchOptions{}, "more")
	a.exec(`INSERT INTO more VALUES (1, 2)`)
	if _, wants := meet(a, b); wants {
		t.Error("a dataset that does not follow wants the schema")
	}
	exchange(a, b)
	st, err := b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Absent) != 1 || st.Absent[0] != (cdc.AbsentTable{Name: "items", Dataset: "primary", Peer: "office"}) {
		t.Errorf("absent are %+v", st.Absent)
	}
	if len(st.Lacking) != 1 || st.Lacking[0] != "more.x" {
		t.Errorf("lacking are %q", st.Lacking)
	}
}
