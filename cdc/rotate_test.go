package cdc_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// A file that has become another node keeps its rows, their versions and its
// batches, and what it writes from then on has seen what it wrote before.
func TestRotate(t *testing.T) {
	const schema = `CREATE TABLE t (id INTEGER PRIMARY KEY, v)`
	old, peer := newNode(t, 1, schema), newNode(t, 2, schema)
	old.exec(`INSERT INTO t VALUES (1, 'baseline')`)
	old.watch(cdc.WatchOptions{}, "t")
	peer.watch(cdc.WatchOptions{}, "t")
	old.exec(`INSERT INTO t VALUES (2, 'old')`)
	peer.pull(old)
	old.exec(`UPDATE t SET v = 'unsealed' WHERE id = 2`)
	id := merge.NodeID(ed25519.NewKeyFromSeed(append(make([]byte, 31), 7)).Public().(ed25519.PublicKey))
	if err := old.Rotate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := cdc.KeyOf(t.Context(), old.path); err != nil || got != id {
		t.Errorf("the file is %v's, %v", got, err)
	}
	next := openNode(t, 7, old.path, "")
	next.exec(`UPDATE t SET v = 'new' WHERE id IN (1, 2); INSERT INTO t VALUES (3, 'new')`)
	peer.exec(`UPDATE t SET v = 'peer' WHERE id = 3`)
	peer.pull(next)
	next.pull(peer)
	for _, n := range []*node{next, peer} {
		if got := n.text(`SELECT group_concat(id || v) FROM t`); got != "1new,2new,3new" {
			t.Errorf("rows %s", got)
		}
		if list, err := n.Conflicts(t.Context()); err != nil || len(list) > 0 {
			t.Errorf("conflicts %v, %v", list, err)
		}
	}
}

func TestSucceed(t *testing.T) {
	n := newNode(t, 1, ``)
	a, b := keyed(1), keyed(2)
	a.Datasets = []string{"primary"}
	for _, r := range []cdc.Remote{a, b} {
		if err := n.AddRemote(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Succeed(t.Context(), a.Key, keyed(3).Key); err != nil {
		t.Fatal(err)
	}
	list, err := n.Remotes(t.Context())
	if err != nil || len(list) != 2 || list[0].Key != keyed(3).Key || list[0].Former != a.Key || list[0].Name != a.Name || len(list[0].Datasets) != 1 {
		t.Errorf("remotes %+v, %v", list, err)
	}
	for name, err := range map[string]error{
		"another remote's key": n.Succeed(t.Context(), b.Key, keyed(3).Key),
		"this node's key":      n.Succeed(t.Context(), b.Key, n.Node()),
	} {
		if !errors.Is(err, cdc.ErrRemoteExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := n.Succeed(t.Context(), a.Key, keyed(4).Key); !errors.Is(err, cdc.ErrNoRemote) {
		t.Errorf("a key that was left: %v", err)
	}
}
