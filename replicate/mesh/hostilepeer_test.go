package mesh

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/blake2b"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/wire"
)

// batch is a good one of a node's own, the first of its chain, that writes note
// into row 1 of a table.
func batch(t *testing.T, id *crypto.Identity, dataset, table string) *wire.Sealed {
	t.Helper()
	return seal(t, id, merge.NodeID(id.PublicKey()), dataset, table, merge.At(time.Now()))
}

func seal(t *testing.T, id *crypto.Identity, origin merge.NodeID, dataset, table string, at merge.HLC) *wire.Sealed {
	t.Helper()
	s, err := wire.Seal(&wire.Batch{
		Header: wire.Header{Dataset: dataset, Origin: origin, Seq: 1, First: at, Last: at},
		Sections: []wire.Section{{Table: table, Key: []string{"id"}, Columns: []string{"note"}, Changes: []wire.Change{
			{Op: merge.Insert, HLC: at, Key: []wire.Value{int64(2)}, Values: []wire.Value{"theirs"}},
		}}},
	}, func(h wire.Hash) []byte { return id.Sign(h[:]) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bomb is a batch with n sections of a frame each, which claim to be so large.
func bomb(t *testing.T, id *crypto.Identity, frame []byte, claim uint64, n int) *wire.Sealed {
	t.Helper()
	s := batch(t, id, "primary", "orders")
	_, dir, err := s.Header()
	if err != nil {
		t.Fatal(err)
	}
	tail := binary.AppendUvarint(nil, uint64(dir[0].Size))
	entry := len("orders") + 1 + 1 + len(tail) + 32
	head := s.Head[: len(s.Head)-entry-1 : len(s.Head)-entry-1]
	head = binary.AppendUvarint(head, uint64(n))
	hash := blake2b.Sum256(frame)
	s.Sections = nil
	for i := range n {
		name := "orders"
		if i > 0 {
			name = fmt.Sprintf("orders%d", i)
		}
		head = append(binary.AppendUvarint(head, uint64(len(name))), name...)
		head = binary.AppendUvarint(append(head, 1), claim)
		head = append(head, hash[:]...)
		s.Sections = append(s.Sections, frame)
	}
	s.Head = head
	h := s.Hash()
	s.Signature = id.Sign(h[:])
	if _, dir, err := s.Header(); err != nil || len(dir) != n {
		t.Fatalf("%d sections, %v", len(dir), err)
	}
	return s
}

// zeros is a frame of n zeros.
func zeros(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for part := make([]byte, 1<<20); n > 0; n -= len(part) {
		w.Write(part)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bye is the code with which a session was ended, "none" if it just ended.
func bye(heard []wire.Message) string {
	for _, m := range heard {
		if b, ok := m.(*wire.Bye); ok {
			return b.Code
		}
	}
	return "none"
}

// Lengths that promise much, of a peer that may send as much, cost nothing, on
// every level.
func TestLengthBombs(t *testing.T) {
	f := newFort(t)
	friend, pusher := f.befriend("friend", true, true), f.befriend("pusher", true, true)
	most := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	bombs := map[string]func(v *visitor){
		"record": func(v *visitor) { v.raw.Write([]byte{0xff, 0xff}) },
	}
	for kind := range byte(20) {
		bombs[fmt.Sprintf("frame of kind %d", kind)] = func(v *visitor) {
			v.conn.Write([]byte{kind, 0, 0xff, 0xff, 0xff, 0xff})
		}
		bombs[fmt.Sprintf("count in kind %d", kind)] = func(v *visitor) {
			body := slices.Concat(most, most, most, most)
			v.conn.Write(append([]byte{kind, 0, byte(len(body)), 0, 0, 0}, body...))
		}
		bombs[fmt.Sprintf("frames of kind %d without end", kind)] = func(v *visitor) {
			frame := append([]byte{kind, 1, 0, 0, 1, 0}, make([]byte, 1<<16)...)
			for range 100 {
				if _, err := v.conn.Write(frame); err != nil {
					return
				}
			}
			v.conn.Close()
		}
	}
	for name, blow := range bombs {
		// One by one a peer would be suspended before the next.
		f.Node.SetRemotes(nil)
		if _, err := f.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v := f.visit(pusher)
		v.say(v.hello(false, true))
		blow(v)
		heard := v.hear()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 { // both sides, and what was really sent
			t.Errorf("%s: allocated %d bytes", name, n)
		}
		for _, m := range heard {
			switch m.(type) {
			case *wire.Hello, *wire.Ping, *wire.Pong, *wire.Ack, *wire.Bye, *wire.Behind:
			default:
				t.Errorf("%s: answered %T", name, m)
			}
		}
	}
	f.stands("length bombs", friend)
}

// Batches that are signed as they should be and become very large are refused,
// and cost what they claim at most, or nothing where they claim too much.
func TestZstdBombs(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	large := zeros(t, 256<<20)
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0} // asks for 2 GiB
	for name, test := range map[string]struct {
		frame []byte
		claim uint64
		n     int
	}{
		"more than it claims":     {large, 1000, 1},
		"less than it claims":     {zeros(t, 1<<20), 1 << 30, 1},
		"sections that add up":    {large, 256 << 20, 100},
		"a claim beyond any":      {large, 1<<31 - 1, 1},
		"a window beyond any":     {window, 1000, 1},
		"a frame that is no such": {[]byte("not zstd"), 1000, 1},
	} {
		pusher := f.befriend(name, true, true)
		s := bomb(t, pusher, test.frame, test.claim, test.n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v := f.visit(pusher)
		v.say(v.hello(true, true), &wire.Batches{Sealed: []*wire.Sealed{s}})
		got := bye(v.hear())
		runtime.ReadMemStats(&after)
		if got != "invalid" {
			t.Errorf("%s: ended with %q", name, got)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(64<<20+4*s.Size()) {
			t.Errorf("%s: allocated %d bytes for a batch of %d", name, n, s.Size())
		}
	}
	f.stands("zstd bombs", friend)
}

// A remote gets what remote list says, and nothing else.
func TestAskingForWhatMayNotBeHad(t *testing.T) {
	f := newFort(t)
	friend, giver := f.befriend("friend", true, true), f.befriend("giver", true, false)
	in := func(dataset string, v *visitor) *wire.Hello {
		h := v.hello(true, true)
		h.Dataset = dataset
		return h
	}
	for name, test := range map[string]struct {
		id  *crypto.Identity
		say func(*visitor) []wire.Message
		bye string
	}{
		"batches":         {giver, func(v *visitor) []wire.Message { return []wire.Message{v.hello(true, true), &wire.Bye{}} }, "none"},
		"schema":          {giver, func(v *visitor) []wire.Message { return []wire.Message{v.hello(true, true), &wire.SchemaRequest{}} }, "refused"},
		"schema, asking":  {giver, func(v *visitor) []wire.Message { return []wire.Message{v.hello(false, false), &wire.SchemaRequest{}} }, "refused"},
		"digests":         {giver, func(v *visitor) []wire.Message { return []wire.Message{v.hello(true, true), &wire.DigestRequest{}} }, "refused"},
		"snapshot":        {giver, func(v *visitor) []wire.Message { return []wire.Message{v.hello(true, true), &wire.SnapshotRequest{}} }, "refused"},
		"another dataset": {friend, func(v *visitor) []wire.Message { return []wire.Message{in("payroll", v)} }, "refused"},
		"a dataset that is not there": {friend, func(v *visitor) []wire.Message {
			return []wire.Message{in("nothing", v)}
		}, "refused"},
	} {
		v := f.visit(test.id)
		v.say(test.say(v)...)
		heard := v.hear()
		if got := bye(heard); got != test.bye {
			t.Errorf("%s: ended with %q, want %q", name, got, test.bye)
		}
		for _, m := range heard {
			switch m := m.(type) {
			case *wire.Batches, *wire.Schema, *wire.Digests, *wire.SnapshotPart, *wire.Contents, *wire.Fingerprints, *wire.States, *wire.Ranges:
				t.Errorf("%s: was given %T", name, m)
			}
		}
		in, _ := v.raw.sides()
		if bytes.Contains(in, []byte("orders")) {
			t.Errorf("%s: in clear", name)
		}
	}
	// Whoever may have it gets the schema of that dataset, and hears of no other.
	v := f.visit(friend)
	v.say(v.hello(false, false), &wire.SchemaRequest{})
	for {
		m, err := v.in.Read()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := m.(*wire.Schema); ok {
			if len(s.Tables) != 1 || !reflect.DeepEqual(s.Datasets, []string{"primary"}) {
				t.Errorf("schema %+v", s)
			}
			break
		}
	}
	v.raw.Close()
	f.stands("questions", friend)
}

// A remote changes what remote list says, in its own name only.
func TestPushingWhatMayNotBePushed(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	own := func(id *crypto.Identity) merge.NodeID { return merge.NodeID(id.PublicKey()) }
	now := merge.At(time.Now())
	for name, test := range map[string]struct {
		pull bool
		say  func(id *crypto.Identity) wire.Message
		bye  string
	}{
		"without leave": {false, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{batch(t, id, "primary", "orders")}}
		}, "invalid"},
		"in a friend's name": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{seal(t, id, own(friend), "primary", "orders", now)}}
		}, "invalid"},
		"in the fort's name": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{seal(t, id, merge.NodeID(f.Identity.PublicKey()), "primary", "orders", now)}}
		}, "invalid"},
		"altered": {true, func(id *crypto.Identity) wire.Message {
			s := batch(t, id, "primary", "orders")
			s.Sections[0] = bytes.Clone(s.Sections[0])
			s.Sections[0][len(s.Sections[0])-1] ^= 1
			return &wire.Batches{Sealed: []*wire.Sealed{s}}
		}, "invalid"},
		"of another dataset": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{batch(t, id, "payroll", "wages")}}
		}, "invalid"},
		"of the year 2100": {true, func(id *crypto.Identity) wire.Message {
			at := merge.At(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
			return &wire.Batches{Sealed: []*wire.Sealed{seal(t, id, own(id), "primary", "orders", at)}}
		}, ""},
		"to a table of another dataset": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{batch(t, id, "primary", "wages")}}
		}, "none"},
		"to a table of sqlsync's": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{batch(t, id, "primary", "sqlsync_remote")}}
		}, "none"},
		"to SQLite's": {true, func(id *crypto.Identity) wire.Message {
			return &wire.Batches{Sealed: []*wire.Sealed{batch(t, id, "primary", "sqlite_master")}}
		}, "none"},
		"a snapshot nobody asked for": {true, func(id *crypto.Identity) wire.Message {
			return &wire.SnapshotPart{Table: "orders", Complete: true, Parts: []*wire.Sealed{batch(t, id, "primary", "orders")}}
		}, "invalid"},
		"a schema nobody asked for": {true, func(*crypto.Identity) wire.Message {
			return &wire.Schema{Tables: []wire.TableSchema{{Name: "evil", Create: []string{`CREATE TABLE evil (x)`, `DROP TABLE orders`}}}}
		}, "none"},
		"vectors of chains that are not there": {true, func(*crypto.Identity) wire.Message {
			v := merge.Vector{}
			for i := range 20_000 {
				v[merge.NodeID(blake2b.Sum256([]byte{byte(i), byte(i >> 8)}))] = merge.Position{Seq: 1<<64 - 1, HLC: 1}
			}
			return &wire.Ack{Vector: v}
		}, "none"},
	} {
		id := f.befriend(name, test.pull, true)
		v := f.visit(id)
		v.say(v.hello(true, true), test.say(id))
		if test.bye == "none" {
			v.say(&wire.SealRequest{ID: 7}) // answered behind what was said
			for {
				m, err := v.in.Read()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if _, ok := m.(*wire.SealDone); ok {
					break
				}
			}
			v.say(&wire.Bye{})
		}
		if got := bye(v.hear()); got != test.bye && test.bye != "" {
			t.Errorf("%s: ended with %q, want %q", name, got, test.bye)
		}
		f.stands(name, friend)
	}
	list, err := f.Store.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		if !strings.Contains("orders wages", x.Name) {
			t.Errorf("there is a table %s now", x.Name)
		}
	}
}

// A table that was moved out of what a remote may have is told to it no more,
// though the remote may have the dataset in which the table was.
func TestAskingForATableThatWasMovedAway(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	if v, err := f.Store.Watch(t.Context(), []string{"orders"}, cdc.WatchOptions{Dataset: "payroll"}); err != nil || v[0].Refused != nil {
		t.Fatal(v, err)
	}
	all := []wire.KeyRange{{}}
	for _, ask := range []wire.Message{
		&wire.SnapshotRequest{}, &wire.ContentsRequest{}, &wire.SchemaRequest{}, &wire.DigestRequest{},
		&wire.SnapshotRequest{Cursor: wire.AppendRow(nil, []wire.Value{"orders"})},
		&wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "orders", Columns: []string{"id", "note"}, Ranges: all},
		&wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: "orders", Ranges: all},
		&wire.StatesRequest{Table: "orders", Columns: []string{"id", "note"}, Keys: [][]byte{wire.AppendRow(nil, []wire.Value{int64(1)})}},
		&wire.RangesRequest{Table: "orders", Ranges: all},
	} {
		name := fmt.Sprintf("%T", ask)
		v := f.visit(f.befriend(name, true, true))
		v.say(v.hello(true, true), ask)
		for answered := false; !answered; {
			m, err := v.in.Read()
			if err != nil {
				break // hung up on, which is no answer
			}
			switch m := m.(type) {
			case *wire.SnapshotPart:
				answered = true
				if len(m.Parts) > 0 || m.Table != "" {
					t.Errorf("%s: told %d parts of %q", name, len(m.Parts), m.Table)
				}
			case *wire.Contents, *wire.Schema, *wire.Digests:
				answered = true
				if text := fmt.Sprintf("%+v", m); strings.Contains(text, "orders") {
					t.Errorf("%s: told %s", name, text)
				}
			case *wire.Ranges, *wire.States, *wire.Fingerprints:
				answered = true
				t.Errorf("%s: told %T", name, m)
			}
		}
		v.raw.Close()
		if err := f.Store.RemoveRemote(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	f.stands("questions", friend)
}

// What may be had is what the inviter has written down, whatever is written into
// the ticket.
func TestTicketWithAnotherDatasetInIt(t *testing.T) {
	f := newFort(t)
	secret := crypto.NewSecret()
	if err := f.Store.Invite(t.Context(), secret.Hash(), cdc.Invitation{Datasets: []string{"primary"}, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	ticket := &crypto.Ticket{Key: f.Identity.PublicKey(), Secret: secret, Expires: time.Now().Add(time.Hour), Addrs: []string{f.addr}, Datasets: []string{"payroll", "primary"}}
	text, err := ticket.Text()
	if err != nil {
		t.Fatal(err)
	}
	if ticket, err = crypto.ParseTicket(text); err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t)
	if _, err := knock(t, id, f.Member, f.addr, ticket.Secret.Proof()); err != nil {
		t.Fatal(err)
	}
	v := f.visit(id)
	h := v.hello(true, true)
	h.Dataset = "payroll"
	v.say(h, &wire.SchemaRequest{})
	if got := bye(v.hear()); got != "refused" {
		t.Errorf("ended with %q", got)
	}
	f.stands("an edited ticket", id)
}

// A permission that is taken away in the middle of a snapshot ends it there.
func TestPermissionTakenDuringASnapshot(t *testing.T) {
	f := newFort(t)
	friend, asker := f.befriend("friend", true, true), f.befriend("asker", true, true)
	v := f.visit(asker)
	v.say(v.hello(true, true), &wire.SnapshotRequest{})
	for told := false; !told; {
		m, err := v.in.Read()
		if err != nil {
			t.Fatal(err)
		}
		_, told = m.(*wire.SnapshotPart)
	}
	r := cdc.Remote{Name: "asker", Key: merge.NodeID(asker.PublicKey()), Pull: true, Datasets: []string{"primary"}}
	if err := f.Store.SetRemote(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.say(&wire.SnapshotRequest{}, &wire.RangesRequest{Table: "orders", Ranges: []wire.KeyRange{{}}})
	heard := v.hear()
	if got := bye(heard); got != "restarted" {
		t.Errorf("ended with %q", got)
	}
	for _, m := range heard {
		switch m.(type) {
		case *wire.SnapshotPart, *wire.Ranges:
			t.Errorf("told %T", m)
		}
	}
	v = f.visit(asker)
	v.say(v.hello(true, true), &wire.SnapshotRequest{})
	if got := bye(v.hear()); got != "refused" {
		t.Errorf("again: ended with %q", got)
	}
	f.stands("a snapshot", friend)
}

// Whoever speaks an older version gets what that had, and no more.
func TestOlderVersionsAskForNoMore(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	for version := uint32(1); version < wire.RangeProtocol; version++ {
		for _, ask := range []wire.Message{&wire.ContentsRequest{}, &wire.RangesRequest{Table: "orders", Ranges: []wire.KeyRange{{}}}, &wire.SnapshotRequest{}} {
			name := fmt.Sprintf("%T in version %d", ask, version)
			v := f.visit(f.befriend(name, true, true))
			h := v.hello(true, true)
			h.MaxProtocol = version
			if _, snapshot := ask.(*wire.SnapshotRequest); snapshot && version >= 2 {
				continue
			}
			v.say(h, ask)
			if got := bye(v.hear()); got != "invalid" {
				t.Errorf("%s: ended with %q", name, got)
			}
		}
	}
	none := f.visit(f.befriend("of none", true, true))
	h := none.hello(true, true)
	h.MinProtocol, h.MaxProtocol = wire.MaxProtocol+1, wire.MaxProtocol+9
	none.say(h)
	if got := bye(none.hear()); got != "protocol" {
		t.Errorf("a version of the future: ended with %q", got)
	}
	f.stands("older versions", friend)
}
