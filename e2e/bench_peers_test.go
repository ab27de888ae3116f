package e2e_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// processes is up to how many peers have a process each; beyond, one process
// serves them all.
const processes = 10

// BenchmarkGrowthPeers is the cost of a change, in processor time, for the node
// on which it was made and for all together, with a growing number of peers
// that all are connected to that node. Before anything is written it takes the
// memory of that node's serve, whose peers are then idle.
func BenchmarkGrowthPeers(b *testing.B) {
	sizes := []int{2, 5, 10, 30, 100}
	if testing.Short() {
		sizes = []int{2, 12}
	}
	for _, peers := range sizes {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			for range b.N {
				growthPeers(b, peers)
			}
		})
	}
}

func growthPeers(b *testing.B, peers int) {
	dir := b.TempDir()
	hub := newNode(b, dir, "hub")
	app := newOrders(b, hub.path)
	defer app.Close()
	hub.must("watch", "orders")
	hub.addr = freeAddr(b)
	leaves := newLeaves(b, hub, filepath.Join(dir, "leaves"), peers)
	hub.serve()
	serving := append(serveLeaves(b, leaves), hub.proc)
	waitLong(b, "all to connect", func() bool { return hub.connected() == peers })
	b.ReportMetric(hub.settledMemory(), "hub-MB")

	var apps []*sql.DB
	for _, l := range leaves {
		db := openWAL(b, l.path)
		defer db.Close()
		apps = append(apps, db)
	}
	n, times := 500, sized(20_000)/500
	own, all := cpuOf(hub.proc), 0.0
	for _, p := range serving {
		all -= cpuOf(p)
	}
	start := time.Now()
	for i := range times {
		insertOrders(b, app, i*n, n)
	}
	for _, db := range apps {
		waitLong(b, "a peer to have all", func() bool { return lastOrder(b, db) == n*times })
	}
	took := time.Since(start)
	for _, p := range serving {
		all += cpuOf(p)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(took, n*times), "wall-µs/change")
	b.ReportMetric((cpuOf(hub.proc)-own)/float64(n*times)*1e6, "hub-µs/change")
	b.ReportMetric(all/float64(n*times)/float64(1+peers)*1e6, "node-µs/change")
}

// newLeaves makes nodes that know the hub and are known to it.
func newLeaves(b *testing.B, hub *node, dir string, n int) []*node {
	b.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	key := hub.key()
	var leaves []*node
	for i := range n {
		l := newNode(b, dir, fmt.Sprintf("leaf%d", i))
		newOrders(b, l.path).Close()
		leaves = append(leaves, l)
	}
	var group sync.WaitGroup
	for part := range 4 {
		group.Go(func() {
			for i := part; i < n; i += 4 {
				leaves[i].run("watch", "orders")
				leaves[i].run("remote", "add", "hub", key, "--addr", hub.addr)
			}
		})
	}
	group.Wait()
	for _, l := range leaves {
		hub.must("remote", "add", l.name, l.key())
	}
	return leaves
}

// serveLeaves serves each by a process of its own, or all by one if there are
// many.
func serveLeaves(b *testing.B, leaves []*node) (serving []*process) {
	b.Helper()
	if len(leaves) <= processes {
		for _, l := range leaves {
			l.serve()
			serving = append(serving, l.proc)
		}
		return serving
	}
	p := &process{cmd: exec.Command(binary, "serve", "--db", filepath.Join(filepath.Dir(leaves[0].path), "*.db")), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	b.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	return []*process{p}
}

// connected is how many remotes are connected.
func (n *node) connected() (count int) {
	n.tb.Helper()
	var status struct{ Remotes []struct{ State string } }
	if err := json.Unmarshal([]byte(n.must("status", "--json")), &status); err != nil {
		n.tb.Fatal(err)
	}
	for _, r := range status.Remotes {
		if r.State == "connected" {
			count++
		}
	}
	return count
}

// settledMemory is the memory of a serve once it has become no less for a while
// in which garbage is collected and given back.
func (n *node) settledMemory() float64 {
	least := n.memory("VmRSS")
	for left := 50; left > 0; left-- {
		time.Sleep(100 * time.Millisecond)
		if now := n.memory("VmRSS"); now < 0.99*least {
			least, left = now, 50
		}
	}
	return least
}
