package replicate

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate/replicatetest"
)

var (
	fileSeed = flag.Uint64("replicatetest.seed", 0, "run the history of this seed only, over files")
	fileRuns = flag.Uint64("replicatetest.runs", 0, "how many histories to run over files; 0 is as many as fit into 20 s")
)

const (
	fileBudget    = 20 * time.Second
	putBackBudget = 4 * time.Second
	policyBudget  = 4 * time.Second
	// fileSteps is how much happens in a history at most before it may settle.
	fileSteps = 500
	allSeeds  = math.MaxUint64
)

// TestFiles runs the sessions of a few nodes over real files, with everything
// that can go wrong, and looks at what they come to hold.
func TestFiles(t *testing.T) {
	began, steps := time.Now(), 0
	var total replicatetest.Counts
	histories := runSeeds(t, fileBudget, allSeeds, func(seed uint64) {
		_, n, c := fileHistory(t, seed)
		steps += n
		total.Add(c)
	})
	t.Logf("%d histories, %d steps, %.0f steps/s: %+v", histories, steps, float64(steps)/time.Since(began).Seconds(), total)
}

// runSeeds runs the histories that the flags name, or as many as fit into the
// budget, up to one, until one fails, and returns how many.
func runSeeds(t *testing.T, budget time.Duration, upTo uint64, history func(seed uint64)) uint64 {
	first, last, timed := uint64(1), upTo, *fileSeed+*fileRuns == 0
	switch {
	case *fileSeed != 0:
		first, last = *fileSeed, *fileSeed
	case *fileRuns != 0:
		last = *fileRuns
	}
	if testing.Short() {
		budget /= 4
	}
	began, seed := time.Now(), first
	for ; seed <= last && !t.Failed() && (!timed || time.Since(began) < budget); seed++ {
		history(seed)
	}
	return seed - first
}

// A seed says everything that happens.
func TestFilesAreRepeatable(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		a, n, _ := fileHistory(t, seed+1)
		b, m, _ := fileHistory(t, seed+1)
		if a != b || n != m {
			t.Errorf("seed %d: %d steps with trace %x, then %d with %x", seed+1, n, a, m, b)
		}
	}
}

// fileHistory runs the history of a seed.
func fileHistory(t *testing.T, seed uint64) (trace uint64, steps int, counts replicatetest.Counts) {
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Logf("again: go test ./replicate -run 'TestFiles$' -replicatetest.seed=%d", seed)
			}
		}()
		s := newFileSim(t, seed)
		s.redial()
		s.life(1 + s.rand.IntN(fileSteps))
		s.run(time.Hour, func() bool { return s.calm })
		s.settle()
		s.world.Check()
		trace, steps, counts = s.world.Trace(), s.steps, s.world.Counts
	})
	return trace, steps, counts
}

// TestFilesPutBack runs histories in which older copies are put in place of a file
// at any time, while applications write, there too. No number of a batch is given
// twice, and all are equal in the end.
func TestFilesPutBack(t *testing.T) {
	losses := 0
	histories := runSeeds(t, putBackBudget, allSeeds, func(seed uint64) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s := newFileSimOf(t, seed, true)
			s.redial()
			s.life(1 + s.rand.IntN(fileSteps))
			s.run(time.Hour, func() bool { return s.calm })
			s.settle()
			s.world.Check()
			losses += s.world.Counts.Losses
			if t.Failed() {
				t.Logf("again: go test ./replicate -run 'TestFilesPutBack$' -replicatetest.seed=%d", seed)
			}
		})
	})
	t.Logf("%d histories, %d files were put back", histories, losses)
}

// TestFilesRepolicy runs histories in which policies change, on one node after the
// other and with changes under way. All are equal in the end.
func TestFilesRepolicy(t *testing.T) {
	var total replicatetest.Counts
	histories := runSeeds(t, policyBudget, allSeeds, func(seed uint64) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s := newFileSim(t, seed)
			s.repolicies = true
			s.redial()
			s.life(1 + s.rand.IntN(fileSteps))
			s.run(time.Hour, func() bool { return s.calm })
			for followed := true; followed; {
				followed = false
				for _, n := range s.nodes {
					followed = s.repolicy(n) || followed
				}
			}
			s.settle()
			s.world.Check()
			total.Add(s.world.Counts)
			if t.Failed() {
				t.Logf("again: go test ./replicate -run 'TestFilesRepolicy$' -replicatetest.seed=%d", seed)
			}
		})
	})
	t.Logf("%d histories: %+v", histories, total)
}

// repolicy changes a policy and tells the node's peers.
func (s *sim) repolicy(n *simNode) bool {
	if !n.file.Repolicy() {
		return false
	}
	s.grown(n)
	s.review(n)
	return true
}

// review tells a node's sessions some time later what is watched now, as the store
// signals it.
func (s *sim) review(n *simNode) {
	s.tellLater(n, func(e *simEnd) {
		tables, _ := n.file.Offers(context.Background())
		s.step(e, offered{tables: tables})
		s.step(e, reviewed{})
	})
}

// tellLater has each of a node's sessions told something some time later.
func (s *sim) tellLater(n *simNode, tell func(*simEnd)) {
	for _, e := range n.sorted() {
		s.after(s.some(300*time.Millisecond), func() { tell(e) })
	}
}

func newFileSim(t *testing.T, seed uint64) *sim { return newFileSimOf(t, seed, false) }

func newFileSimOf(t *testing.T, seed uint64, putsBack bool) *sim {
	r := rand.New(rand.NewPCG(seed, 3))
	nodes := 2 + r.IntN(4)
	s := newSim(t, seed, nodes, edgesOf(r, nodes))
	s.rand = r
	s.limit.pingEvery, s.limit.deadAfter, s.limit.helloWithin = 300*time.Millisecond, time.Second, time.Second
	s.prunes = seed%3 == 0
	s.world = replicatetest.New(t, replicatetest.Options{Rand: r, Now: func() time.Time { return s.now.Add(s.years) }, Nodes: nodes, PutsBack: putsBack})
	s.putsBack = putsBack
	for i, n := range s.nodes {
		n.file = s.world.Nodes[i]
		n.store, n.mem = n.file, nil
	}
	return s
}

// edgesOf returns a line, a ring, a star or a mesh.
func edgesOf(r *rand.Rand, nodes int) (edges [][2]int) {
	shape := r.IntN(4)
	for i := 1; i < nodes; i++ {
		switch shape {
		case 0, 1:
			edges = append(edges, [2]int{i - 1, i})
		case 2:
			edges = append(edges, [2]int{0, i})
		default:
			for j := range i {
				edges = append(edges, [2]int{j, i})
			}
		}
	}
	if shape == 1 && nodes > 2 {
		edges = append(edges, [2]int{0, nodes - 1})
	}
	return edges
}

// life lets steps of an ordinary bad day happen.
func (s *sim) life(steps int) {
	if s.calm = steps == 0; s.calm {
		return
	}
	s.steps++
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	if s.mishaps && s.rand.IntN(10) == 0 {
		s.mishap(n)
	}
	switch r := s.rand.IntN(100); {
	case s.repolicies && r < 3:
		s.repolicy(n)
	case r < 57:
		if s.putsBack || n.file.Whole() {
			n.file.Write()
		}
	case r < 60:
		if n.file.Whole() {
			s.sealed(n, n.file.Settle())
		}
	case r < 86:
		s.sealFile(n)
	default:
		s.fault(n, r-86)
	}
	s.after(s.some(20*time.Millisecond), func() { s.life(steps - 1) })
}

func (s *sim) fault(n *simNode, kind int) {
	edge := s.edges[s.rand.IntN(len(s.edges))]
	switch kind {
	case 0:
		s.crash(n)
	case 1:
		n.file.Break()
		s.sealFile(n)
	case 2, 3:
		switch {
		case s.putsBack && n.file.PutBack():
			s.crash(n)
		case s.putsBack:
		case kind == 2:
			n.file.Copy()
		default:
			s.losePower(n)
		}
	case 4, 5:
		s.down[edge] = true
	case 6, 7, 8:
		delete(s.down, edge)
	case 9, 10:
		n.file.Skew(s.skew())
	case 11:
		switch {
		case s.prunes:
			s.note("prune %d", n.id)
			n.file.Prune()
		case s.grad:
		case s.putsBack && s.rand.IntN(2) == 0:
			n.file.Damage()
		default:
			s.fillDisk(n)
		}
	default:
		if ends := n.sorted(); len(ends) > 0 { // breaks, which one side sees first
			s.step(ends[s.rand.IntN(len(ends))], stopped{fmt.Errorf("%w: broken", errLost)})
		}
	}
}

// skew is mostly small.
func (s *sim) skew() time.Duration {
	spans := []time.Duration{time.Millisecond, time.Second, time.Hour, 366 * 24 * time.Hour}
	d := s.some(spans[min(s.rand.IntN(6), s.rand.IntN(4))])
	if s.rand.IntN(2) == 0 {
		return -d
	}
	return d
}

func (s *sim) sealFile(n *simNode) {
	_, err := n.file.Seal(context.Background())
	s.sealed(n, err)
}

// sealed is what follows a call that sealed.
func (s *sim) sealed(n *simNode, err error) {
	switch {
	case err == replicatetest.ErrCrashed, s.dies(n):
		s.crash(n)
	case cdc.IsFull(err):
	case err != nil:
		s.t.Errorf("node %d: %v", n.id, err)
	default:
		s.grown(n)
	}
}

// dies reports whether it is time for a node to crash.
func (s *sim) dies(n *simNode) bool {
	return n.file != nil && !s.calm && s.rand.IntN(300) == 0
}

// losePower puts a node back to a copy of its file, if all others are what
// they were: what two have lost at once may be lost for good.
func (s *sim) losePower(n *simNode) {
	for _, o := range s.nodes {
		if !o.file.Whole() || s.prunes { // what was pruned cannot be had back whole
			return
		}
	}
	s.crash(n)
	s.note("power %d %v", n.id, n.file.LosePower())
}

// settle mends everything and waits until all have everything. What is merged
// may make an application's triggers delete more.
func (s *sim) settle() {
	clear(s.down)
	s.comeBack()
	for range 10 {
		for _, n := range s.nodes {
			s.sealFile(n)
			s.sealFile(n) // if the first was to crash
		}
		if !s.run(time.Minute, s.equalFiles) {
			if !s.grad && !s.repolicies && !s.world.Forked() {
				break
			}
			for _, n := range s.nodes { // whether a snapshot is needed is asked when a session begins, and whether another is
				for _, e := range n.sorted() {
					s.step(e, stopped{fmt.Errorf("%w: broken", errLost)})
				}
			}
			continue
		}
		if s.world.Settled() {
			return
		}
	}
	for _, n := range s.nodes {
		v, _ := n.store.Vector(s.t.Context())
		s.t.Logf("node %d has %v, whole %v", n.id, v, n.file.Whole())
	}
	s.t.Error("not equal a minute after the last fault")
}

// equalFiles reports whether all have everything, and nothing is to be compared.
func (s *sim) equalFiles() bool {
	return s.world.Equal() && (!s.repolicies || s.world.Even(s.edges))
}

func (s *sim) note(format string, args ...any) {
	if s.world != nil {
		s.world.Note(format, args...)
	}
}
