package replicate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sqlsync/merge"
	"sqlsync/replicate/replicatetest"
)

const (
	mishapBudget = 4 * time.Second
	// mishapSeeds are known to pass.
	mishapSeeds = 400
)

// maxNodes is how many there may come to be by copies.
const maxNodes = 6

// TestFilesMishaps runs histories in which, besides all else, files are copied with
// their keys and without, keys are lost, nodes are removed in an emergency and let
// in again, and are away for years, beyond the time for which others keep what they
// have not confirmed. All are equal in the end.
func TestFilesMishaps(t *testing.T) {
	counts := make(map[string]int)
	histories := runSeeds(t, mishapBudget, mishapSeeds, func(seed uint64) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s := newFileSimOf(t, seed, true)
			s.mishaps, s.prunes = true, false
			s.absent, s.banned = make(map[int]bool), make(map[[2]int]bool)
			for _, e := range s.edges {
				s.acquaint(e)
			}
			s.redial()
			s.life(1 + s.rand.IntN(fileSteps))
			s.run(time.Hour, func() bool { return s.calm })
			s.settle()
			s.world.Check()
			for what, n := range s.happened {
				counts[what] += n
			}
			if t.Failed() {
				t.Logf("again: go test ./replicate -run 'TestFilesMishaps$' -replicatetest.seed=%d", seed)
			}
		})
	})
	t.Logf("%d histories: %v", histories, counts)
}

// idOf is whom a node's sessions speak for.
func (s *sim) idOf(node int) merge.NodeID {
	if f := s.nodes[node].file; f != nil {
		return f.ID()
	}
	return nodeID(node + 1)
}

// apart reports whether nothing passes an edge.
func (s *sim) apart(edge [2]int) bool {
	return s.down[edge] || s.absent[edge[0]] || s.absent[edge[1]] || s.banned[edge]
}

// takePlace ends a node's connections with the twins of a peer: there is one with
// each key.
func (s *sim) takePlace(node, peer int) {
	for _, e := range s.nodes[node].sorted() {
		if e.session.peer == s.idOf(peer) && e.far.node.id != peer {
			s.step(e, stopped{fmt.Errorf("%w: replaced", errLost)})
		}
	}
}

func (s *sim) acquaint(edge [2]int) {
	s.world.Acquaint(s.nodes[edge[0]].file, s.nodes[edge[1]].file)
}

// mishap is one of what happens once in years.
func (s *sim) mishap(n *simNode) {
	what := []string{"year", "leave", "return", "ban", "key", "copy", "prune", "prune", "prune", "damage", "full"}[s.rand.IntN(11)]
	switch what {
	case "year":
		s.years += time.Duration(20+s.rand.IntN(400)) * 24 * time.Hour
	case "leave":
		s.absent[n.id] = true
	case "return":
		delete(s.absent, n.id)
	case "ban":
		s.ban(s.edges[s.rand.IntN(len(s.edges))])
	case "key":
		s.loseKey(n)
	case "copy":
		if len(s.nodes) == maxNodes {
			return
		}
		s.copyOf(n, replicatetest.CopyKind(s.rand.IntN(3)))
	case "prune":
		n.file.Prune()
	case "damage":
		n.file.Damage()
	case "full":
		s.fillDisk(n)
	}
	if s.happened == nil {
		s.happened = make(map[string]int)
	}
	s.happened[what]++
}

// loseKey makes a database a node of its own.
func (s *sim) loseKey(n *simNode) {
	s.crash(n)
	n.file.LoseKey()
	s.acquaintAll(n)
}

// fillDisk leaves no room for a node's file for a while.
func (s *sim) fillDisk(n *simNode) {
	n.file.FillDisk(true)
	s.after(s.some(3*time.Second), func() { n.file.FillDisk(false) })
}

// ban has one side of an edge remove the other in an emergency, or let it in
// again.
func (s *sim) ban(edge [2]int) {
	if s.banned[edge] {
		delete(s.banned, edge)
		s.acquaint(edge)
		return
	}
	s.banned[edge] = true
	s.nodes[edge[0]].file.Ban(s.nodes[edge[1]].file)
}

func (s *sim) acquaintAll(n *simNode) {
	for _, e := range s.edges {
		if slices.Contains(e[:], n.id) && !s.banned[e] {
			s.acquaint(e)
		}
	}
}

// copyOf adds a node that is a copy of another, and meets one of those that this
// one meets.
func (s *sim) copyOf(n *simNode, kind replicatetest.CopyKind) {
	var peers []int
	for _, e := range s.edges {
		if slices.Contains(e[:], n.id) {
			peers = append(peers, e[0]+e[1]-n.id)
		}
	}
	f := s.world.Clone(n.file, kind)
	c := &simNode{id: len(s.nodes), store: f, file: f, ends: make(map[*simEnd]bool), hints: make(map[int]hint)}
	s.nodes = append(s.nodes, c)
	s.edges = append(s.edges, [2]int{peers[s.rand.IntN(len(peers))], c.id})
	s.acquaintAll(c)
}

// comeBack ends what keeps nodes apart, gives them room, and makes twins nodes of
// their own.
func (s *sim) comeBack() {
	known := make(map[merge.NodeID]bool)
	for i, n := range s.nodes {
		if n.file != nil && known[s.idOf(i)] {
			s.loseKey(n)
		}
		known[s.idOf(i)] = true
	}
	clear(s.absent)
	for _, e := range s.edges {
		if s.banned[e] {
			s.ban(e)
		}
	}
	for _, n := range s.nodes {
		if n.file != nil {
			n.file.FillDisk(false)
		}
	}
}
