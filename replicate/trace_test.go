package replicate

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

var update = flag.Bool("update", false, "write the golden traces")

// duo is two sessions, a and b, joined by a perfect wire, and a record of what
// they say and do. Whatever one side wants is done before the next message is
// delivered.
type duo struct {
	now   time.Time
	sides [2]*side
	log   strings.Builder
	todo  []func()
}

type side struct {
	name    string
	config  config
	store   *memStore
	session *session
}

func newDuo() *duo {
	d := &duo{now: time.Unix(1_700_000_000, 0)}
	for i, name := range []string{"a", "b"} {
		d.sides[i] = &side{name: name, store: newMemStore(nodeID(i + 1)), config: config{
			self: nodeID(i + 1), peer: nodeID(2 - i), dataset: "primary", software: "test",
			pull: true, push: true, limits: defaultLimits,
		}}
	}
	return d
}

func (d *duo) start() {
	for i, s := range d.sides {
		s.config.vector, _ = s.store.Vector(context.Background())
		s.session = newSession(s.config)
		d.post(i, started{})
	}
	d.settle()
}

func (d *duo) post(i int, e event) { d.todo = append(d.todo, func() { d.step(i, e) }) }

func (d *duo) settle() {
	for len(d.todo) > 0 {
		f := d.todo[0]
		d.todo = d.todo[1:]
		f()
	}
}

// pass lets time pass, with ticks where they are due.
func (d *duo) pass(t time.Duration) {
	d.say("-- %v pass", t)
	for end := d.now.Add(t); ; {
		next := end
		for _, s := range d.sides {
			next = earlier(next, s.session.deadline())
		}
		d.now = next
		for i := range d.sides {
			d.post(i, ticked{})
		}
		d.settle()
		if next.Equal(end) {
			return
		}
	}
}

func (d *duo) commit(i, n int) {
	s := d.sides[i]
	d.say("-- %s commits %d", s.name, n)
	s.store.commit(n)
	d.grow(i)
}

// grow tells a side's session, if it has begun, of its store.
func (d *duo) grow(i int) {
	if s := d.sides[i]; s.session != nil {
		v, _ := s.store.Vector(context.Background())
		d.post(i, grown{v})
	}
}

// merge makes a side hold n batches of c, as another session would.
func (d *duo) merge(i, n int) {
	c, s := newMemStore(nodeID(3)), d.sides[i]
	d.say("-- %s has %d from c", s.name, n)
	c.commit(n)
	held, _ := c.After(context.Background(), 0, 1<<20)
	for _, h := range held {
		s.store.Apply(context.Background(), c.self, []*wire.Sealed{h.Sealed})
	}
	d.grow(i)
}

func (d *duo) step(i int, e event) {
	for _, a := range d.sides[i].session.step(d.now, e) {
		d.perform(i, a)
	}
}

func (d *duo) say(format string, args ...any) { fmt.Fprintf(&d.log, format+"\n", args...) }

func (d *duo) perform(i int, a action) {
	s, ctx := d.sides[i], context.Background()
	switch a := a.(type) {
	case send:
		d.say("%s>%s %s", s.name, d.sides[1-i].name, describe(a.message))
		d.post(1-i, received{a.message})
		d.post(i, written{})
	case load:
		d.say("%s   load after %d without %s", s.name, a.after, vector(a.have))
		held, _ := s.store.AfterExcept(ctx, a.after, a.have, a.wants, a.maxBytes)
		d.post(i, loaded{held})
	case apply:
		d.say("%s   apply %s", s.name, batchNames(a.batches))
		v, err := s.store.Apply(ctx, s.config.peer, a.batches)
		if err != nil {
			d.post(i, stopped{err})
			return
		}
		d.post(i, applied{vector: v})
	case seal:
		d.say("%s   seal", s.name)
		v, _ := s.store.Seal(ctx)
		d.post(i, sealed{v})
	case confirm:
		d.say("%s   confirm %s", s.name, vector(a.vector))
		d.post(i, confirmed{})
	case agree:
		d.say("%s   agree on %d tables", s.name, len(a.tables))
		wants, _ := s.store.Agree(ctx, s.config.peer, a.tables)
		d.post(i, agreed{wantsSchema: wants})
	case adopt:
		d.say("%s   adopt %d tables", s.name, len(a.schema.Tables))
		s.store.Adopt(ctx, s.config.peer, a.schema)
		d.post(i, adopted{})
	case readSchema:
		d.say("%s   read schema", s.name)
		schema, _ := s.store.Schema(ctx)
		d.post(i, schemaRead{schema})
	case digest:
		d.say("%s   digest", s.name)
		v, _ := s.store.Vector(ctx)
		d.post(i, digested{&wire.Digests{Vector: v, Tables: []wire.TableDigest{{Name: "orders"}}}})
	case end:
		d.say("%s   end: %v", s.name, a.err)
		if a.bye != nil {
			d.say("%s>%s %s", s.name, d.sides[1-i].name, describe(a.bye))
			d.post(1-i, received{a.bye})
		}
	default:
		d.say("%s   %s", s.name, strings.TrimPrefix(fmt.Sprintf("%T", a), "replicate."))
	}
}

func describe(m wire.Message) string {
	switch m := m.(type) {
	case *wire.Hello:
		return fmt.Sprintf("Hello protocol %d-%d, dataset %q, pull %v, push %v, vector %s",
			m.MinProtocol, m.MaxProtocol, m.Dataset, m.Pull, m.Push, vector(m.Vector))
	case *wire.Offers:
		return fmt.Sprintf("Offers of %d tables", len(m.Tables))
	case *wire.Batches:
		return "Batches " + batchNames(m.Sealed)
	case *wire.Ack:
		return "Ack " + vector(m.Vector)
	case *wire.SealDone:
		return fmt.Sprintf("SealDone %d %s", m.ID, vector(m.Vector))
	case *wire.Digests:
		return fmt.Sprintf("Digests of %d tables at %s", len(m.Tables), vector(m.Vector))
	case *wire.Schema:
		return fmt.Sprintf("Schema of %d tables", len(m.Tables))
	}
	return strings.NewReplacer("*wire.", "", "&", " ").Replace(fmt.Sprintf("%T%+v", m, m))
}

func vector(v merge.Vector) string {
	var parts []string
	for _, o := range v.Origins() {
		parts = append(parts, fmt.Sprintf("%c%d", 'a'+o[0]-1, v[o].Seq))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func batchNames(batches []*wire.Sealed) string {
	var parts []string
	for _, b := range batches {
		h, err := decodeHead(b)
		if err != nil {
			parts = append(parts, "?")
			continue
		}
		parts = append(parts, fmt.Sprintf("%c%d", 'a'+h.Origin[0]-1, h.Seq))
	}
	return strings.Join(parts, " ")
}

func TestTraces(t *testing.T) {
	for name, play := range traces {
		t.Run(name, func(t *testing.T) {
			d := newDuo()
			play(d)
			path := filepath.Join("testdata", "traces", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(d.log.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.log.String(); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
