package mesh

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/wire"
)

// says is a statement of an identity's.
func says(t *testing.T, id *crypto.Identity, at time.Time, addrs ...string) wire.Address {
	t.Helper()
	b, err := id.State(crypto.Addresses{Time: at, List: addrs})
	if err != nil {
		t.Fatal(err)
	}
	return wire.Address{Node: merge.NodeID(id.PublicKey()), Statement: b}
}

func (m *Member) remote(t *testing.T, id *crypto.Identity) cdc.Remote {
	t.Helper()
	list, err := m.Store.Remotes(t.Context())
	i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Key == merge.NodeID(id.PublicKey()) })
	if err != nil || i < 0 {
		t.Fatalf("%d remotes, %v", len(list), err)
	}
	return list[i]
}

func (m *Member) dialed(t *testing.T, id *crypto.Identity) []string {
	t.Helper()
	r := m.remote(t, id)
	return r.Dialed(m.exchange.now())
}

// What is learned is what the node itself has signed, of nodes that are remotes
// already; the latest stands, and not for ever.
func TestLearnedAddresses(t *testing.T) {
	m, _ := host(t)
	teller, friend := m.knows(t, "teller"), m.knows(t, "friend")
	x, now := m.exchange, time.Unix(1_800_000_000, 0)
	x.now = func() time.Time { return now }
	learn := func(near bool, list ...wire.Address) {
		t.Helper()
		if err := x.Learn(t.Context(), merge.NodeID(teller.PublicKey()), near, &wire.Addresses{List: list}); err != nil {
			t.Fatal(err)
		}
	}
	stranger := newIdentity(t)
	altered := says(t, friend, now, "192.0.2.1:1")
	altered.Statement[12] ^= 1
	forged := says(t, teller, now, "192.0.2.1:1")
	forged.Node = merge.NodeID(friend.PublicKey())
	learn(false, altered, forged, says(t, stranger, now, "192.0.2.1:1"), wire.Address{Node: merge.NodeID(friend.PublicKey())},
		says(t, friend, now.Add(time.Hour), "192.0.2.1:1"), says(t, friend, now.Add(-cdc.LearnedFor), "192.0.2.1:1"))
	if r := m.remote(t, friend); r.Learned != nil {
		t.Fatalf("learned %+v", r.Learned)
	}
	learn(false, says(t, friend, now.Add(-time.Minute), "192.0.2.2:2", "127.0.0.1:3", "[::1]:4", "localhost:5", "0.0.0.0:6"))
	if got := m.dialed(t, friend); !slices.Equal(got, []string{"192.0.2.2:2"}) {
		t.Errorf("dialed at %v", got)
	}
	learn(false, says(t, friend, now.Add(-2*time.Minute), "192.0.2.3:3"))
	if got := m.dialed(t, friend); !slices.Equal(got, []string{"192.0.2.2:2"}) {
		t.Errorf("an older word stands: %v", got)
	}
	learn(true, says(t, friend, now, "127.0.0.1:3"))
	if got := m.dialed(t, friend); !slices.Equal(got, []string{"127.0.0.1:3"}) {
		t.Errorf("on one machine: %v", got)
	}
	// After what people say, and once.
	r := m.remote(t, friend)
	r.Addrs = []string{"office:1", "127.0.0.1:3"}
	if err := m.Store.SetRemote(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := m.dialed(t, friend); !slices.Equal(got, r.Addrs) {
		t.Errorf("dialed at %v", got)
	}
	now = now.Add(cdc.LearnedFor)
	if r := m.remote(t, friend); r.Learned.Current(now) {
		t.Error("it counts for ever")
	}
	// A flood of news of one node costs a few writes.
	for i := range 50 {
		learn(false, says(t, friend, now.Add(time.Duration(i-100)*time.Second), fmt.Sprintf("192.0.2.9:%d", i+1)))
	}
	if got := m.remote(t, friend).Learned.Addrs; !slices.Equal(got, []string{fmt.Sprintf("192.0.2.9:%d", learnedBurst)}) {
		t.Errorf("of a flood %v was kept", got)
	}
	now = now.Add(learnedEvery)
	learn(false, says(t, friend, now, "192.0.2.10:1"))
	if got := m.remote(t, friend).Learned.Addrs; !slices.Equal(got, []string{"192.0.2.10:1"}) {
		t.Errorf("later %v was kept", got)
	}
}

// A peer is told of nodes that it knows, and of nobody else.
func TestToldAddresses(t *testing.T) {
	m, addr := host(t)
	x, now := m.exchange, time.Unix(1_800_000_000, 0)
	x.now = func() time.Time { return now }
	asker, common, secret, gone := m.knows(t, "asker"), m.knows(t, "common"), m.knows(t, "secret"), m.knows(t, "gone")
	all := &wire.Addresses{}
	for _, id := range []*crypto.Identity{asker, common, secret, gone} {
		all.List = append(all.List, says(t, id, now, "192.0.2.1:1"))
	}
	if err := x.Learn(t.Context(), merge.NodeID(asker.PublicKey()), false, all); err != nil {
		t.Fatal(err)
	}
	if err := m.Store.EnableRemote(t.Context(), "gone", false); err != nil {
		t.Fatal(err)
	}
	ask := func(ids ...*crypto.Identity) (nodes []merge.NodeID) {
		t.Helper()
		asked := &wire.Known{Salt: [16]byte{7}}
		for _, id := range ids {
			asked.Tags = append(asked.Tags, id.PublicKey().Blind(asked.Salt[:]))
		}
		slices.SortFunc(asked.Tags, compareTags)
		told, err := x.Answer(t.Context(), merge.NodeID(asker.PublicKey()), asked)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range told.List {
			nodes = append(nodes, a.Node)
		}
		return nodes
	}
	want := func(ids ...*crypto.Identity) (nodes []merge.NodeID) {
		for _, id := range ids {
			nodes = append(nodes, merge.NodeID(id.PublicKey()))
		}
		slices.SortFunc(nodes, merge.NodeID.Compare)
		return nodes
	}
	if got := ask(asker, common, gone, newIdentity(t)); !slices.Equal(got, want(common)) {
		t.Errorf("told of %v", got)
	}
	if got := ask(); len(got) > 0 {
		t.Errorf("who knows nobody is told of %v", got)
	}
	x.serve(ServeOptions{Reach: func() []string { return []string{addr} }, Port: &Port{}})
	if got := ask(common); !slices.Equal(got, want(common, m.Identity)) {
		t.Errorf("served, it tells of %v", got)
	}
	first := x.statement()
	now = now.Add(time.Hour)
	if !slices.Equal(x.statement(), first) {
		t.Error("it is signed anew without cause")
	}
	now = now.Add(stateEvery)
	if slices.Equal(x.statement(), first) {
		t.Error("it is never signed anew")
	}
	// What a peer is asked holds no key.
	known, err := x.Known(t.Context())
	if err != nil || len(known.Tags) != 3 { // one is disabled
		t.Fatalf("%+v, %v", known, err)
	}
	if again, _ := x.Known(t.Context()); again != known {
		t.Error("it asks anew without cause")
	}
}
