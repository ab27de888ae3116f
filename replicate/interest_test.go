package replicate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sqlsync/merge"
	"sqlsync/replicate/replicatetest"
	"sqlsync/wire"
)

const gradualBudget = 6 * time.Second

// TestFilesGradually, in some of whose histories tables are moved, runs histories over files in which nodes watch one table
// after the other and meet one after the other, so that some come to pass on
// what they have never asked for. In the end all have everything.
func TestFilesGradually(t *testing.T) {
	first, last := uint64(1), uint64(40)
	switch {
	case *fileSeed != 0:
		first, last = *fileSeed, *fileSeed
	case *fileRuns != 0:
		last = *fileRuns
	}
	budget := gradualBudget
	if testing.Short() {
		budget /= 4
	}
	began, seed := time.Now(), first
	for ; seed <= last && !t.Failed() && (*fileSeed+*fileRuns > 0 || time.Since(began) < budget); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { gradualHistory(t, seed) })
	}
	t.Logf("%d histories", seed-first)
}

func gradualHistory(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("again: go test ./replicate -run 'TestFilesGradually$' -replicatetest.seed=%d", seed)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 5))
	nodes := 2 + r.IntN(4)
	s := newSim(t, seed, nodes, edgesOf(r, nodes))
	s.rand, s.grad, s.prunes, s.moves = r, true, seed%4 == 0, seed%2 == 0
	s.limit.pingEvery, s.limit.deadAfter, s.limit.helloWithin = 300*time.Millisecond, time.Second, time.Second
	s.world = replicatetest.New(t, replicatetest.Options{
		Rand: r, Now: func() time.Time { return s.now }, Nodes: nodes, Tables: replicatetest.Independent(), Gradual: true, Prunes: s.prunes, Moves: s.moves,
	})
	for i, n := range s.nodes {
		n.file = s.world.Nodes[i]
		n.store, n.mem = n.file, nil
	}
	s.meet()
	s.redial()
	s.grow(1 + r.IntN(fileSteps))
	s.run(time.Hour, func() bool { return s.calm })
	for s.met < len(s.edges) {
		s.meet()
	}
	for _, n := range s.nodes {
		for s.watchMore(n) {
		}
		for n.file.Return() {
		}
		s.reoffer(n)
	}
	s.settle()
	s.world.Check()
	if !s.prunes && !s.moves { // else snapshots stand for some
		s.world.CheckWhole()
	}
}

// grow lets steps of an ordinary day happen on which people set things up.
func (s *sim) grow(steps int) {
	if s.calm = steps == 0; s.calm {
		return
	}
	s.steps++
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	switch r := s.rand.IntN(100); {
	case r < 55:
		n.file.Write()
	case r < 84:
		s.sealFile(n)
	case r < 86:
		s.watchMore(n)
	case r < 88:
		s.meet()
	case r < 91 && s.moves:
		if err := n.file.Move(); err != nil {
			s.crash(n)
		}
		s.reoffer(n)
		s.grown(n)
	default:
		if kind := r - 86; kind != 3 { // power: what nobody wanted is nowhere
			s.fault(n, kind)
		}
	}
	s.after(s.some(20*time.Millisecond), func() { s.grow(steps - 1) })
}

// meet makes the next edge.
func (s *sim) meet() {
	if s.met == len(s.edges) {
		return
	}
	edge := s.edges[s.met]
	s.met++
	s.world.Meet(edge[0], edge[1])
	s.reoffer(s.nodes[edge[0]])
	s.reoffer(s.nodes[edge[1]])
}

func (s *sim) watchMore(n *simNode) bool {
	more, err := n.file.WatchMore()
	if err != nil {
		s.crash(n)
		return true
	}
	s.reoffer(n)
	s.grown(n)
	return more
}

// reoffer tells a node's sessions some time later what the node wants now.
func (s *sim) reoffer(n *simNode) {
	s.tellLater(n, func(e *simEnd) {
		wants, _, _ := n.file.Interest(context.Background())
		tables, _ := n.file.Offers(context.Background())
		s.step(e, offered{tables: tables, wants: wants})
	})
}

var _ Chooser = (*replicatetest.Node)(nil)

// A peer that knows of no interest is sent batches whole, and none that is not.
func TestPeerWithoutInterest(t *testing.T) {
	s := newSession(config{self: nodeID(1), peer: nodeID(2), dataset: "primary", pull: true, push: true,
		vector: merge.Vector{nodeID(3): {Seq: 1}}, wants: []string{"orders"}, limits: defaultLimits})
	now := time.Unix(0, 0)
	s.step(now, started{})
	s.step(now, written{})
	out := s.step(now, received{&wire.Hello{MinProtocol: 1, MaxProtocol: 2, Dataset: "primary", Pull: true, Push: true, Wants: []string{"orders"}}})
	if i := slices.IndexFunc(out, func(a action) bool { l, ok := a.(load); return ok && l.wants == nil }); i < 0 {
		t.Fatalf("does %+v", out)
	}
	s.step(now, written{})
	lacks := wire.Held{Pos: 1, Origin: nodeID(3), Seq: 1, Lacks: "customers", Sealed: &wire.Sealed{}}
	s.step(now, loaded{[]wire.Held{lacks}})
	s.step(now.Add(time.Second), ticked{}) // it is not held back for others to send it
	if !errors.Is(s.sender.behind, ErrPruned) || len(s.sender.flight) > 0 {
		t.Errorf("behind: %v, sent %v", s.sender.behind, s.sender.flight)
	}
}

func TestIncludes(t *testing.T) {
	for _, test := range []struct {
		all, some []string
		want      bool
	}{
		{nil, nil, true}, {nil, []string{"a"}, true}, {[]string{"a"}, nil, false}, {[]string{}, nil, false}, {[]string{"a", "b"}, []string{"b"}, true},
		{[]string{"a"}, []string{"a", "b"}, false}, {[]string{}, []string{}, true},
	} {
		if got := includes(test.all, test.some); got != test.want {
			t.Errorf("%v includes %v: %v", test.all, test.some, got)
		}
	}
}
