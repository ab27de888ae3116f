package replicate

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sqlsync/replicate/replicatetest"
	"sqlsync/wire"
)

// sim is a network of stores and sessions under a virtual clock. Everything it
// does follows from its seed.
type sim struct {
	t     testing.TB
	rand  *rand.Rand
	now   time.Time
	queue simQueue
	order int // of events at one time
	steps int

	nodes  []*simNode
	edges  [][2]int
	down   map[[2]int]bool // partitioned: what is sent vanishes
	prunes bool            // nodes drop what they hold
	met    int             // so many edges are there yet, of a gradual world
	grad   bool            // the world is one
	// putsBack says that older copies of files are put in their place.
	putsBack bool
	// mishaps says that files are copied, keys lost and years pass, too; years is
	// what has passed, absent are nodes that are away, banned edges that one side
	// has removed.
	mishaps bool
	years   time.Duration
	absent  map[int]bool
	banned  map[[2]int]bool
	// happened counts the mishaps.
	happened   map[string]int
	repolicies bool // policies are changed
	moves      bool // tables are moved to other datasets and back
	calm       bool // no more writes and faults
	quiet      bool // writes, but no faults
	limit      limits
	// world is where the stores are that are files, nil if they are in memory.
	world *replicatetest.World
	bytes passage
}

// simNode is a node whose store is in memory or, under the same sessions, a
// file.
type simNode struct {
	id    int
	store simStore
	mem   *memStore           // store, or nil
	file  *replicatetest.Node // store, or nil
	ends  map[*simEnd]bool
	hints map[int]hint
}

type simStore interface {
	Store
	Skipper
}

// simEnd is one side of a connection.
type simEnd struct {
	node      *simNode
	far       *simEnd
	edge      [2]int
	session   *session
	reconcile reconcile
	evener    evener
	offers    []wire.TableOffer
	dead      bool
	cut       bool // what is sent vanishes for good
	crashed   bool // with its process
	// arrives keeps the order of what is sent to this side.
	arrives time.Time
	inbox   []wire.Message
	tickGen int
	number  int
}

type simEvent struct {
	at    time.Time
	order int
	do    func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].order < q[j].order
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func newSim(t testing.TB, seed uint64, nodes int, edges [][2]int) *sim {
	s := &sim{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0),
		edges: edges, down: make(map[[2]int]bool), limit: defaultLimits,
	}
	// Small limits make the flow control matter.
	s.limit.window, s.limit.message, s.limit.load, s.limit.readAhead = 4000, 1200, 2000, 3000
	for i := range nodes {
		m := newMemStore(nodeID(i + 1))
		s.nodes = append(s.nodes, &simNode{id: i, store: m, mem: m, ends: make(map[*simEnd]bool), hints: make(map[int]hint)})
	}
	return s
}

func (s *sim) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.queue, simEvent{s.now.Add(d), s.order, do})
}

// some returns a random duration up to d.
func (s *sim) some(d time.Duration) time.Duration { return time.Duration(s.rand.Int64N(int64(d))) }

// run processes events until done says so or the time is over.
func (s *sim) run(d time.Duration, done func() bool) bool {
	for end := s.now.Add(d); s.queue.Len() > 0 && !done(); {
		e := heap.Pop(&s.queue).(simEvent)
		if e.at.After(end) {
			heap.Push(&s.queue, e)
			s.now = end
			return done()
		}
		s.now = e.at
		e.do()
	}
	return done()
}

// connect makes a connection over an edge, whether or not there is one.
func (s *sim) connect(edge [2]int) {
	if s.apart(edge) {
		return
	}
	s.takePlace(edge[0], edge[1])
	s.takePlace(edge[1], edge[0])
	a, b := s.open(edge, edge[0], edge[1]), s.open(edge, edge[1], edge[0])
	a.far, b.far = b, a
	s.step(a, started{})
	s.step(b, started{})
}

func (s *sim) open(edge [2]int, self, peer int) *simEnd {
	n := s.nodes[self]
	c := config{
		self: s.idOf(self), peer: s.idOf(peer), dataset: "primary", pull: true, push: true,
		hint: n.hints[peer], limits: s.limit,
	}
	if s.repolicies {
		c.tables, _ = n.file.Offers(context.Background())
	}
	if s.grad {
		c.wants, c.held, _ = n.file.Interest(context.Background())
		c.tables, _ = n.file.Offers(context.Background())
	}
	c.vector, _ = n.store.Vector(context.Background())
	s.order++
	e := &simEnd{node: n, edge: edge, arrives: s.now, number: s.order}
	e.session = newSession(c)
	n.ends[e] = true
	return e
}

func (s *sim) step(e *simEnd, ev event) {
	if e.dead {
		return
	}
	s.steps++
	s.note("step %d %T", e.number, ev)
	for _, a := range e.session.step(s.now, ev) {
		s.perform(e, a)
	}
	if e.dead {
		return
	}
	if len(e.inbox) > 0 && e.session.wantsRead() {
		m := e.inbox[0]
		e.inbox = e.inbox[1:]
		s.after(0, func() { s.step(e, received{m}) })
	}
	e.tickGen++
	gen := e.tickGen
	s.after(max(0, e.session.deadline().Sub(s.now)), func() {
		if gen == e.tickGen {
			s.step(e, ticked{})
		}
	})
}

// grown tells every session of a node of its store's vector.
func (s *sim) grown(n *simNode) {
	for _, e := range n.sorted() {
		s.after(s.some(time.Millisecond), func() {
			v, _ := n.store.Vector(context.Background())
			s.step(e, grown{v})
		})
	}
}

// sorted keeps the simulation free of the order of maps.
func (n *simNode) sorted() []*simEnd {
	var out []*simEnd
	for e := range n.ends {
		out = append(out, e)
	}
	sortEnds(out)
	return out
}

func (s *sim) kill(e *simEnd) {
	if e.dead {
		return
	}
	e.dead = true
	e.node.hints[e.far.node.id] = e.session.resume()
	delete(e.node.ends, e)
}

// hangUp is what a side sees when the other has closed.
func (s *sim) hangUp(e *simEnd) {
	if !s.apart(e.edge) && !e.cut {
		s.step(e, stopped{fmt.Errorf("%w: closed", errLost)})
	}
}

// crash ends all sessions of a node without a word, and its memory.
func (s *sim) crash(n *simNode) {
	for _, e := range n.sorted() {
		s.kill(e)
		e.crashed = true
		s.after(s.some(5*time.Millisecond), func() { s.hangUp(e.far) })
	}
	clear(n.hints)
	if n.file != nil {
		s.note("crash %d", n.id)
		n.file.Restart()
	}
}

// redial keeps edges connected, and now and then doubles a connection.
func (s *sim) redial() {
	for i, edge := range s.edges {
		if s.grad && i >= s.met {
			break
		}
		n := 0
		for e := range s.nodes[edge[0]].ends {
			if e.edge == edge {
				n++
			}
		}
		if n == 0 || n == 1 && !s.calm && !s.quiet && s.rand.IntN(40) == 0 {
			s.connect(edge)
		}
	}
	s.after(50*time.Millisecond+s.some(200*time.Millisecond), s.redial)
}
