package replicate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/wire"
)

// stores are the datasets of a database: a node replicates whatever keeps the
// promises of replicate.Store.
type stores struct{ db *cdc.Store }

func (s stores) Store(dataset string) (replicate.Store, bool) {
	return s.db.Stream(dataset), dataset == cdc.DefaultDataset
}

func (s stores) Datasets() []string { return []string{cdc.DefaultDataset} }

// pipe connects to another node in this process. Over a network it would be
// package crypto's work to say who is there; package mesh does that.
type pipe struct {
	from merge.NodeID
	to   *replicate.Node
	all  *sync.WaitGroup
}

func (p pipe) Dial(ctx context.Context, _ merge.NodeID, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	p.all.Go(func() { p.to.Accept(ctx, there, p.from) })
	return here, nil
}

// A node knows its remotes and dials them; what it dials with, and what it
// replicates, it is given.
func ExampleNode() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "replicate")
	check(err)
	defer os.RemoveAll(dir)
	a := openStore(ctx, filepath.Join(dir, "a.db"), `INSERT INTO orders VALUES ('a', 450)`)
	defer a.Close()
	b := openStore(ctx, filepath.Join(dir, "b.db"), `INSERT INTO orders VALUES ('b', 300)`)
	defer b.Close()

	var all sync.WaitGroup
	nodeA := replicate.NewNode(replicate.Options{Self: a.Node(), Stores: stores{a}, Dialer: pipe{}})
	nodeA.SetRemotes([]replicate.Remote{{Name: "b", Peer: b.Node(), Pull: true, Push: true}})
	nodeB := replicate.NewNode(replicate.Options{Self: b.Node(), Stores: stores{b}, Dialer: pipe{b.Node(), nodeA, &all}})
	nodeB.SetRemotes([]replicate.Remote{{Name: "a", Peer: a.Node(), Addrs: []string{"in this process"}, Pull: true, Push: true}})
	check(nodeB.Sync(ctx, "a"))
	all.Wait()

	digests, err := a.Digest(ctx, nil)
	check(err)
	same, err := b.Digest(ctx, nil)
	check(err)
	fmt.Println(digests["orders"].Rows, digests["orders"] == same["orders"])
	fmt.Println(errors.Is(nodeB.Sync(ctx, "c"), replicate.ErrUnknownRemote))
	// Output:
	// 2 true
	// true
}

func openStore(ctx context.Context, path, statement string) *cdc.Store {
	app, err := sql.Open("sqlite", "file:"+path)
	check(err)
	defer app.Close()
	_, err = app.Exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, cents INTEGER); ` + statement)
	check(err)
	id, err := crypto.NewIdentity(nil)
	check(err)
	store, err := cdc.Open(ctx, cdc.Options{
		Path: path, Node: merge.NodeID(id.PublicKey()),
		Sign: func(h wire.Hash) []byte { return id.Sign(h[:]) },
		Verify: func(origin merge.NodeID, h wire.Hash, signature []byte) bool {
			return crypto.PublicKey(origin).Verify(h[:], signature)
		},
	})
	check(err)
	_, err = store.Watch(ctx, []string{"orders"}, cdc.WatchOptions{})
	check(err)
	return store
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
