package replicate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// privateSession is one that has said Hello, with what it said.
func privateSession(t *testing.T, key *wire.DatasetKey) (*session, *wire.Hello) {
	t.Helper()
	c := config{self: nodeID(1), peer: nodeID(2), dataset: "primary", pull: true, push: true, membership: membership{private: true},
		tables: []wire.TableOffer{{Name: "customers"}}, wants: []string{"customers"}, limits: defaultLimits}
	if key != nil {
		own, peers := key.Proof("primary", c.self), key.Proof("primary", c.peer)
		c.proof, c.peerProof = &own, &peers
	}
	s := newSession(c)
	said := messages(s.step(time.Unix(0, 0), started{}))
	s.step(time.Unix(0, 0), written{})
	if len(said) != 1 {
		t.Fatalf("said %v", said)
	}
	return s, said[0].(*wire.Hello)
}

func messages(out []action) (list []wire.Message) {
	for _, a := range out {
		if a, ok := a.(send); ok {
			list = append(list, a.message)
		}
	}
	return list
}

// tell gives the session a message, writes what it has to say, and returns that.
func (s *session) tell(m wire.Message) (said []wire.Message, ended error) {
	out := s.step(time.Unix(0, 0), received{m})
	for len(out) > 0 {
		for _, a := range out {
			if e, ok := a.(end); ok {
				ended = e.err
				if e.bye != nil {
					said = append(said, e.bye)
				}
			}
		}
		more := messages(out)
		said = append(said, more...)
		if len(more) == 0 {
			break
		}
		out = s.step(time.Unix(0, 0), written{})
	}
	return said, ended
}

func helloOf(proof *wire.Proof) *wire.Hello {
	return &wire.Hello{MinProtocol: 1, MaxProtocol: wire.MaxProtocol, Dataset: "primary", Pull: true, Push: true, Proof: proof}
}

// In a private dataset tables are told to whoever shows that it has the key, and
// to nobody else, whatever it asks.
func TestPrivateDatasetTellsMembers(t *testing.T) {
	key, other := &wire.DatasetKey{1}, &wire.DatasetKey{2}
	of := func(k *wire.DatasetKey, n merge.NodeID) *wire.Proof { p := k.Proof("primary", n); return &p }
	for _, test := range []struct {
		name   string
		proof  *wire.Proof
		member bool
		hello  error // what the session ends with at once
	}{
		{"a member", of(key, nodeID(2)), true, nil},
		{"no proof", nil, false, nil},
		{"another key", of(other, nodeID(2)), false, ErrOtherKey},
		{"a proof that was heard of another node", of(key, nodeID(3)), false, ErrOtherKey},
		{"our own", of(key, nodeID(1)), false, ErrOtherKey},
	} {
		for _, asks := range []wire.Message{nil, &wire.SchemaRequest{}, &wire.DigestRequest{}, &wire.SnapshotRequest{},
			&wire.ContentsRequest{}, &wire.FingerprintsRequest{}, &wire.StatesRequest{}, &wire.RangesRequest{}} {
			t.Run(fmt.Sprintf("%s, %T", test.name, asks), func(t *testing.T) {
				s, hello := privateSession(t, key)
				if hello.Tables != nil || hello.Wants != nil || hello.Proof == nil {
					t.Errorf("told before anything is known: %+v", hello)
				}
				said, err := s.tell(helloOf(test.proof))
				if !errors.Is(err, test.hello) {
					t.Errorf("ended by %v", err)
				}
				if asks != nil && err == nil {
					if _, ok := asks.(*wire.SnapshotRequest); ok && !test.member {
						out := s.step(time.Unix(0, 0), received{asks})
						i := slices.IndexFunc(out, func(a action) bool { r, ok := a.(readSnapshot); return ok && r.wants != nil && len(r.wants) == 0 })
						if i < 0 {
							t.Errorf("reads %+v", out)
						}
						return
					}
					var more []wire.Message
					more, err = s.tell(asks)
					said = append(said, more...)
				}
				s.step(time.Unix(0, 0), offered{[]wire.TableOffer{{Name: "orders"}}, s.wants, s.membership})
				told := strings.Contains(fmt.Sprintf("%+v", said), "customers") || slices.ContainsFunc(said, func(m wire.Message) bool { _, ok := m.(*wire.Offers); return ok })
				if told != test.member {
					t.Errorf("said %v", said)
				}
				if _, isSnapshot := asks.(*wire.SnapshotRequest); (asks != nil && !test.member && !isSnapshot && test.hello == nil) != errors.Is(err, ErrNoMember) {
					t.Errorf("ended by %v", err)
				}
			})
		}
	}
}

// What names a table is not in a farewell to who is no member.
func TestPrivateFarewell(t *testing.T) {
	s, _ := privateSession(t, &wire.DatasetKey{1})
	s.tell(helloOf(nil))
	out := s.step(time.Unix(0, 0), stopped{fmt.Errorf("table customers: %w", wire.ErrInvalid)})
	for _, a := range out {
		if e, ok := a.(end); ok && e.bye != nil && e.bye.Text != "" {
			t.Errorf("says %q", e.bye.Text)
		}
	}
}

// A member takes no snapshot of a peer that has no rows.
func TestMemberBehindRelay(t *testing.T) {
	key := &wire.DatasetKey{1}
	s, _ := privateSession(t, key)
	s.tell(helloOf(nil))
	if _, err := s.tell(&wire.Behind{}); !errors.Is(err, ErrNoMember) {
		t.Errorf("ended by %v", err)
	}
	s, _ = privateSession(t, nil) // a relay may, of whomever: it is the ends of chains
	s.tell(helloOf(nil))
	out := s.step(time.Unix(0, 0), received{&wire.Behind{}})
	if !slices.ContainsFunc(out, func(a action) bool { _, ok := a.(takeSnapshot); return ok }) {
		t.Errorf("does %+v", out)
	}
}

// A dataset that becomes private while a session runs is told in none that began
// before.
func TestSessionBeforeDatasetWasPrivate(t *testing.T) {
	s := newSession(config{self: nodeID(1), peer: nodeID(2), dataset: "primary", pull: true, push: true, limits: defaultLimits})
	s.step(time.Unix(0, 0), started{})
	s.step(time.Unix(0, 0), written{})
	s.tell(helloOf(nil))
	for _, a := range s.step(time.Unix(0, 0), offered{tables: []wire.TableOffer{{Name: "orders"}}, membership: membership{private: true}}) {
		if e, ok := a.(end); !ok || !errors.Is(e.err, errRestarted) {
			t.Errorf("does %+v", a)
		}
	}
}
