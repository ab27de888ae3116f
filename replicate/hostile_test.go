package replicate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"sqlsync/merge"
	"sqlsync/wire"
)

// intruder is a peer that has a key, and says what it likes.
type intruder struct {
	*peer
	s     stream
	heard []wire.Message
	done  chan struct{}
}

// intrude connects p to a victim by hand and keeps what that says.
func (p *peer) intrude(victim *peer) *intruder {
	nc, err := p.Dial(p.ctx, victim.Self, victim.name, "primary")
	if err != nil {
		p.world.t.Fatal(err)
	}
	i := &intruder{peer: p, s: newStream(nc), done: make(chan struct{})}
	p.world.group.Go(func() {
		defer close(i.done)
		for {
			m, err := i.s.Read()
			if err != nil {
				return
			}
			i.heard = append(i.heard, m)
		}
	})
	return i
}

// say says everything, or as much as the victim listens to.
func (i *intruder) say(messages ...wire.Message) {
	for _, m := range messages {
		if i.s.Write(m) != nil {
			return
		}
	}
}

func (i *intruder) hello(pull, push bool) *wire.Hello {
	return &wire.Hello{MinProtocol: 1, MaxProtocol: wire.MaxProtocol, Dataset: "primary", Pull: pull, Push: push,
		Vector: merge.Vector{}, Tables: []wire.TableOffer{{Name: "orders", Policy: "other"}}}
}

// batches are good ones, of a chain of p's own.
func (p *peer) batches(n int) *wire.Batches {
	p.store.commit(n)
	m := &wire.Batches{}
	for _, h := range p.store.held {
		m.Sealed = append(m.Sealed, h.Sealed)
	}
	return m
}

// bye is the code with which the victim ended it.
func (i *intruder) bye() string {
	<-i.done
	for _, m := range i.heard {
		if b, ok := m.(*wire.Bye); ok {
			return b.Code
		}
	}
	return "none"
}

// heardAny reports whether the victim said anything of these types.
func (i *intruder) heardAny(of ...wire.Message) bool {
	return slices.ContainsFunc(i.heard, func(m wire.Message) bool {
		return slices.ContainsFunc(of, func(o wire.Message) bool { return reflect.TypeOf(m) == reflect.TypeOf(o) })
	})
}

// A peer gets, and gives, what it was allowed, whatever it says of itself.
func TestPermissionsAgainstAHostilePeer(t *testing.T) {
	secrets := []wire.Message{&wire.Batches{}, &wire.Schema{}, &wire.Digests{}, &wire.Contents{}, &wire.Fingerprints{}, &wire.States{}, &wire.Ranges{}}
	for _, test := range []struct {
		name       string
		pull, push bool // what the victim allows
		say        func(i *intruder) []wire.Message
		bye        string
	}{
		{"pushes to one that does not pull", false, true, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(false, true), i.batches(3)}
		}, byeInvalid},
		{"pushes after it said that it would not", true, true, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, false), i.batches(3)}
		}, byeInvalid},
		{"pushes before its hello", true, true, func(i *intruder) []wire.Message {
			return []wire.Message{i.batches(3)}
		}, "none"},
		{"says hello twice", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(false, true), i.hello(true, true)}
		}, byeInvalid},
		{"pulls from one that does not push", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.Ack{}, &wire.SealRequest{ID: 1}, &wire.Bye{}}
		}, "none"},
		{"asks for the schema", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.SchemaRequest{}}
		}, byeRefused},
		{"asks for digests", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.DigestRequest{}}
		}, byeRefused},
		{"asks for contents", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(false, false), &wire.ContentsRequest{}}
		}, byeRefused},
		{"asks for fingerprints", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "orders"}}
		}, byeRefused},
		{"asks for states", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.StatesRequest{Table: "orders"}}
		}, byeRefused},
		{"asks for ranges", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.RangesRequest{Table: "orders"}}
		}, byeRefused},
		{"gives ranges that nobody asked for", true, true, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.Ranges{Table: "orders", Complete: true}}
		}, byeInvalid},
		{"asks for the schema beside a session", true, false, func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(false, false), &wire.SchemaRequest{}}
		}, byeRefused},
		{"asks for another dataset", true, true, func(i *intruder) []wire.Message {
			h := i.hello(true, true)
			h.Dataset = "payroll"
			return []wire.Message{h}
		}, byeRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				victim, thief := w.join(1, "victim"), w.join(2, "thief")
				victim.sets["payroll"] = newMemStore(victim.Self)
				victim.SetRemotes([]Remote{{Name: "thief", Peer: thief.Self, Pull: test.pull, Push: test.push, Datasets: []string{"primary"}}})
				victim.store.commit(2)
				i := thief.intrude(victim)
				i.say(test.say(i)...)
				if got := i.bye(); got != test.bye {
					t.Errorf("ended with %q, want %q", got, test.bye)
				}
				if victim.has(thief) > 0 {
					t.Error("took what it must not")
				}
				if !test.push && i.heardAny(secrets...) {
					t.Errorf("gave what it must not: %v", i.heard)
				}
				if !test.pull && len(victim.store.agreed) > 0 {
					t.Error("a peer that changes nothing had a say in what waits")
				}
			})
		})
	}
}

// The names of datasets that a peer may not have are not told to it.
func TestSchemaNamesOnlyWhatMayBeHad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		b.sets["payroll"] = newMemStore(b.Self)
		b.SetRemotes([]Remote{{Name: "a", Peer: a.Self, Pull: true, Push: true, Datasets: []string{"primary"}}})
		schema, err := a.Schema(t.Context(), "b", "")
		if err != nil || slices.Contains(schema.Datasets, "payroll") {
			t.Errorf("%+v, %v", schema, err)
		}
		if _, err := a.Schema(t.Context(), "b", "payroll"); !errors.Is(err, ErrRefused) {
			t.Errorf("error %v", err)
		}
	})
}

// What is taken away is gone at once, also from whoever has a session and goes
// on with it.
func TestPermissionsTakenFromALiveSession(t *testing.T) {
	for _, test := range []struct {
		name  string
		after []Remote
		bye   string
	}{
		{"removed", nil, byeRefused},
		{"pull taken", []Remote{{Name: "thief", Peer: nodeID(2), Push: true}}, byeRestarted},
		{"push taken", []Remote{{Name: "thief", Peer: nodeID(2), Pull: true}}, byeRestarted},
		{"dataset taken", []Remote{{Name: "thief", Peer: nodeID(2), Pull: true, Push: true, Datasets: []string{"payroll"}}}, byeRefused},
		{"other datasets taken", []Remote{{Name: "thief", Peer: nodeID(2), Pull: true, Push: true, Datasets: []string{"primary"}}}, byeRestarted},
		{"key replaced", []Remote{{Name: "thief", Peer: nodeID(3), Pull: true, Push: true}}, byeRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				victim, thief := w.join(1, "victim"), w.join(2, "thief")
				victim.knows(false, thief)
				i := thief.intrude(victim)
				i.say(i.hello(true, true))
				w.until(time.Second, "connected", func() bool { return victim.state(0).State == Connected })
				victim.SetRemotes(test.after)
				victim.store.commit(1)
				synctest.Wait()
				i.say(i.batches(1))
				if got := i.bye(); got != test.bye {
					t.Errorf("ended with %q, want %q", got, test.bye)
				}
				if victim.has(thief) > 0 || i.heardAny(&wire.Batches{}) {
					t.Error("the session went on")
				}
			})
		})
	}
}

// What a peer says goes into logs and onto terminals: it is short, and moves no
// cursor.
func TestWordsOfAHostilePeer(t *testing.T) {
	long := strings.Repeat("x\x1b[2J\u202e\xff\r\n", 10_000)
	for name, say := range map[string]func(i *intruder) []wire.Message{
		"bye": func(i *intruder) []wire.Message {
			return []wire.Message{i.hello(true, true), &wire.Bye{Code: long, Text: long}}
		},
		"bye for a hello": func(*intruder) []wire.Message {
			return []wire.Message{&wire.Bye{Code: long, Text: long}}
		},
		"dataset": func(i *intruder) []wire.Message {
			h := i.hello(true, true)
			h.Dataset = long[:60_000]
			return []wire.Message{h}
		},
		"later dataset": func(i *intruder) []wire.Message {
			h := i.hello(true, true)
			h.Dataset = long[:60_000]
			return []wire.Message{i.hello(true, true), h}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				victim, thief := w.join(1, "victim"), w.join(2, "thief")
				victim.SetRemotes([]Remote{{Name: "thief", Peer: thief.Self, Pull: true, Push: true, Datasets: []string{"primary"}}})
				i := thief.intrude(victim)
				i.say(say(i)...)
				i.bye()
				synctest.Wait()
				victim.mu.Lock()
				defer victim.mu.Unlock()
				texts := []string{fmt.Sprint(victim.accepted[0])}
				for _, m := range i.heard {
					if b, ok := m.(*wire.Bye); ok {
						texts = append(texts, b.Text)
					}
				}
				for _, text := range texts {
					if len(text) > 2000 || strings.ContainsAny(text, "\x1b\u202e\r\n") || !utf8.ValidString(text) {
						t.Errorf("%d bytes: %.200q", len(text), text)
					}
				}
			})
		})
	}
}
