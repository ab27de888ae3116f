package cdc_test

import (
	"reflect"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

func (n *node) digests() *wire.Digests {
	n.t.Helper()
	d, err := n.Stream(cdc.DefaultDataset).Digests(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

func TestDigestsStandForTheirVector(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one')`)
	d := a.digests() // seals
	if d.Pending || d.Vector[a.Node()].Seq != 1 || len(d.Tables) != 1 || d.Tables[0].Rows != 1 {
		t.Fatalf("digests are %+v", d)
	}
	converge(t, a, b)
	if here, there := a.digests(), b.digests(); !reflect.DeepEqual(here, there) {
		t.Errorf("%+v here, %+v there", here, there)
	}
	b.past(`UPDATE items SET name = 'ONE'`)
	if here, there := a.digests(), b.digests(); here.Tables[0].Sum == there.Tables[0].Sum {
		t.Error("tables that differ have one digest")
	}
	b.exec(`DROP TABLE items`)
	if d := b.digests(); len(d.Tables) != 0 || !reflect.DeepEqual(d.Vector, a.digests().Vector) {
		t.Errorf("without the table: %+v", d)
	}
}
