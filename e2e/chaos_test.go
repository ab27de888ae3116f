package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	chaosFor  = flag.Duration("chaos.for", 0, "how long a chaos lasts; 0 is as long as a test may")
	chaosSeed = flag.Uint64("chaos.seed", 0, "what a chaos is drawn from; 0 is another each time")
)

// chaos are nodes to which everything happens that happens to machines.
type chaos struct {
	t       *testing.T
	rand    *rand.Rand
	nodes   []*node
	writers []*writer
	proxies []*proxy
	ledger  *ledger
	done    map[string]int
}

const chaosNodes = 5

// TestChaos has applications write on five nodes, whose serves are killed and
// stopped, whose connections are cut, and of which one is put back to an older
// copy. In the end all tables are equal, and whatever an application saw committed
// is in them, or was written over by someone who had seen it, or is listed.
func TestChaos(t *testing.T) {
	needSqlite3(t)
	lasts, seed := *chaosFor, *chaosSeed
	if lasts == 0 {
		lasts = 12 * time.Second
		if testing.Short() {
			lasts = 6 * time.Second
		}
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed %d -chaos.for %v", seed, lasts)
	c := &chaos{t: t, rand: rand.New(rand.NewPCG(seed, 0)), ledger: newLedger(), done: make(map[string]int)}
	c.build(seed)

	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var writing sync.WaitGroup
	for _, w := range c.writers {
		writing.Go(func() {
			for ctx.Err() == nil {
				if err := w.run(); err != nil {
					t.Error(err)
					return
				}
				w.rest(ctx)
			}
		})
	}
	c.rage(ctx)
	writing.Wait()

	for _, p := range c.proxies {
		p.mend()
	}
	waitEqual(t, c.nodes...)
	c.ledger.check(t, c.nodes)
	for _, n := range c.nodes {
		if got := n.sqlite(`PRAGMA integrity_check`); got != "ok" {
			t.Errorf("%s: integrity_check: %s", n.name, got)
		}
		n.must("verify")
		if said := n.must("status", "--json"); !strings.Contains(said, `"forks": []`) {
			t.Errorf("%s: a number was given twice: %s", n.name, said)
		}
	}
	t.Logf("%v", c.done)
}

// build makes nodes in a ring with a chord, each reached through proxies.
func (c *chaos) build(seed uint64) {
	dir := c.t.TempDir()
	for i := range chaosNodes {
		n := newNode(c.t, dir, fmt.Sprintf("n%d", i))
		n.addr = freeAddr(c.t)
		mode := []string{"wal", "delete"}[i%2]
		n.sqlite(`PRAGMA journal_mode = ` + mode + `;` + chaosSchema)
		n.must("watch", "notes", "cells", "names")
		n.must("watch", "counts", "--column", "n=counter")
		c.nodes = append(c.nodes, n)
		c.writers = append(c.writers, &writer{node: n, rand: rand.New(rand.NewPCG(seed, uint64(i+1))), ledger: c.ledger})
	}
	c.nodes[0].sqlite(`INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0);`)
	for _, pair := range [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 0}, {0, 2}} {
		a, b := c.nodes[pair[0]], c.nodes[pair[1]]
		p := newProxy(c.t, a.addr)
		c.proxies = append(c.proxies, p)
		a.must("remote", "add", b.name, b.key())
		b.must("remote", "add", a.name, a.key(), "--addr", p.addr())
	}
	for _, n := range c.nodes {
		n.serve()
	}
	waitEqual(c.t, c.nodes...)
}

// rage lets things happen until ctx ends; now and then one node is put back.
func (c *chaos) rage(ctx context.Context) {
	var backup string
	victim := c.rand.IntN(chaosNodes)
	for n := 0; ctx.Err() == nil; n++ {
		switch n % 40 {
		case 3:
			victim = c.rand.IntN(chaosNodes)
			backup = c.backup(victim)
		case 9:
			c.putBack(victim, backup)
		}
		i := c.rand.IntN(chaosNodes)
		switch c.rand.IntN(3) {
		case 0:
			c.nodes[i].kill()
			c.pause(ctx)
			c.nodes[i].serve()
			c.done["kill"]++
		case 1:
			process := c.nodes[i].proc.cmd.Process
			process.Signal(syscall.SIGSTOP)
			c.pause(ctx)
			process.Signal(syscall.SIGCONT)
			c.done["stop"]++
		case 2:
			p := c.proxies[c.rand.IntN(len(c.proxies))]
			p.cut()
			c.pause(ctx)
			p.mend()
			c.done["cut"]++
		}
		c.pause(ctx)
	}
	if c.done["put back"] == 0 { // a machine too slow to have come that far
		c.putBack(victim, c.backup(victim))
	}
}

func (c *chaos) pause(ctx context.Context) { pause(ctx, 50+c.rand.IntN(500)) }

func pause(ctx context.Context, ms int) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(ms) * time.Millisecond):
	}
}

// backup copies a node's database at a moment at which all is sealed: an
// increment that is not would be counted twice (docs/operations.md).
func (c *chaos) backup(i int) string {
	n := c.nodes[i]
	path := filepath.Join(filepath.Dir(n.path), n.name+".backup")
	c.writers[i].mu.Lock()
	defer c.writers[i].mu.Unlock()
	waitFor(c.t, "everything to be sealed", func() bool { return n.sqlite(`SELECT count(*) FROM sqlsync_oplog`) == "0" })
	n.sqlite(`.backup '` + path + `'`)
	return path
}

// putBack puts a node back to its backup, once its neighbour has what it wrote
// since: what nobody else has, nobody can bring back.
func (c *chaos) putBack(i int, backup string) {
	n, next := c.nodes[i], c.nodes[(i+1)%chaosNodes]
	c.writers[i].mu.Lock()
	defer c.writers[i].mu.Unlock()
	c.ledger.mu.Lock()
	marker := fmt.Sprintf("marker of %s", n.name)
	c.ledger.notes[marker] = true
	c.ledger.mu.Unlock()
	n.sqlite(`INSERT INTO notes VALUES ('` + marker + `', '');`)
	waitFor(c.t, "the neighbour to have everything", func() bool {
		return next.sqlite(`SELECT count(*) FROM notes WHERE id = '`+marker+`'`) == "1"
	})
	if c.rand.IntN(2) == 0 {
		n.sqlite(`.restore '` + backup + `'`) // while it is served
	} else {
		n.kill()
		copyFile(c.t, backup, n.path)
		for _, tail := range []string{"-wal", "-shm", "-journal"} {
			os.Remove(n.path + tail)
		}
		n.serve()
	}
	c.done["put back"]++
}
