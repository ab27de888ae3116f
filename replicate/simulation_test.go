package replicate

import (
	"testing"
	"time"

	"sqlsync/merge"
)

// trouble writes, crashes, cuts and mends at random.
func (s *sim) trouble() {
	if s.calm {
		return
	}
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	switch r := s.rand.IntN(100); {
	case r < 88:
		n.mem.commit(1 + s.rand.IntN(3))
		s.grown(n)
	case s.quiet:
	case r < 90:
		s.crash(n)
	case r < 94:
		s.down[s.edges[s.rand.IntN(len(s.edges))]] = true
	default:
		delete(s.down, s.edges[s.rand.IntN(len(s.edges))])
	}
	s.after(s.some(40*time.Millisecond), s.trouble)
}

func (s *sim) equal() bool {
	first := s.nodes[0].mem.vector
	for _, n := range s.nodes[1:] {
		if !n.mem.vector.Covers(first) || !first.Covers(n.mem.vector) {
			return false
		}
	}
	return true
}

// check reports broken promises.
func (s *sim) check() {
	for _, n := range s.nodes {
		for _, a := range n.mem.acausal {
			s.t.Error(a)
		}
		last := merge.Vector{}
		for _, h := range n.mem.held {
			if h.Seq != last[h.Origin].Seq+1 {
				s.t.Errorf("%v holds %v/%d after %d", n.mem.self, h.Origin, h.Seq, last[h.Origin].Seq)
			}
			last[h.Origin] = merge.Position{Seq: h.Seq}
		}
	}
}

var mesh5 = [][2]int{{0, 1}, {0, 2}, {0, 3}, {0, 4}, {1, 2}, {1, 3}, {1, 4}, {2, 3}, {2, 4}, {3, 4}}

func TestSimulation(t *testing.T) {
	topologies := map[string][][2]int{
		"line": {{0, 1}, {1, 2}, {2, 3}, {3, 4}},
		"ring": {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}},
		"star": {{0, 1}, {0, 2}, {0, 3}, {0, 4}},
		"mesh": mesh5,
	}
	for name, edges := range topologies {
		t.Run(name, func(t *testing.T) {
			for _, seed := range seeds(t) {
				simulate(t, seed, edges)
				if t.Failed() {
					t.Fatalf("seed %d: -run %s -seed %d", seed, t.Name(), seed)
				}
			}
		})
	}
}

func simulate(t *testing.T, seed uint64, edges [][2]int) {
	s := newSim(t, seed, 5, edges)
	began := time.Now()
	s.redial()
	s.trouble()
	s.run(20*time.Second, func() bool { return false })
	s.calm = true
	clear(s.down)
	if !s.run(time.Minute, s.equal) {
		for _, n := range s.nodes {
			t.Logf("%v has %v", n.mem.self, n.mem.vector)
		}
		t.Error("not equal a minute after the last fault")
	}
	s.check()
	needed, delivered := s.count()
	t.Logf("seed %d: %d steps, %d batches, %d needed, %d delivered, %.0f steps/s",
		seed, s.steps, len(s.nodes[0].mem.held), needed, delivered, float64(s.steps)/time.Since(began).Seconds())
}

// count returns how many batches had to be delivered, and how many were.
func (s *sim) count() (needed, delivered int) {
	for _, n := range s.nodes {
		needed += len(n.mem.held) - int(n.mem.vector[n.mem.self].Seq)
		delivered += n.mem.delivered
	}
	return needed, delivered
}
