package cdc_test

import (
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// at opens the file of n once more, with a clock of its own.
func (n *node) at(now *time.Time) *cdc.Store {
	n.t.Helper()
	s, err := cdc.Open(n.t.Context(), cdc.Options{
		Path: n.path, Node: n.Node(), Now: func() time.Time { return *now },
		Sign:   func(wire.Hash) []byte { return make([]byte, ed25519.SignatureSize) },
		Verify: func(merge.NodeID, wire.Hash, []byte) bool { return true },
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { s.Close() })
	return s
}

func (n *node) invite(hash [32]byte, i cdc.Invitation) {
	n.t.Helper()
	if err := n.Invite(n.t.Context(), hash, i); err != nil {
		n.t.Fatal(err)
	}
}

func keyed(n byte) (r cdc.Remote) {
	r.Key[0], r.Name = n, string(rune('a'+n))
	return r
}

func TestInvitationIsUsedOnce(t *testing.T) {
	n := newNode(t, 1, ``)
	hash := [32]byte{1}
	n.invite(hash, cdc.Invitation{Expires: time.Now().Add(time.Hour)})
	now := time.Now()
	stores := []*cdc.Store{n.Store, n.at(&now), n.at(&now)} // as three processes
	const each = 8
	errs := make([]error, each*len(stores))
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = stores[i%len(stores)].Redeem(t.Context(), hash, keyed(byte(i))) })
	}
	all.Wait()
	winners := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, cdc.ErrInvitation) })
	if len(winners) != 1 || winners[0] != nil {
		t.Errorf("results %v", winners)
	}
	list, err := n.Remotes(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != keyed(byte(slices.Index(errs, nil))).Name {
		t.Errorf("remotes %+v, %v", list, err)
	}
}

func TestInvitationExpires(t *testing.T) {
	n := newNode(t, 1, ``)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := n.at(&now)
	hash := [32]byte{1}
	n.invite(hash, cdc.Invitation{Expires: now.Add(time.Hour)})
	now = now.Add(time.Hour)
	if _, err := s.Redeem(t.Context(), hash, keyed(1)); !errors.Is(err, cdc.ErrInvitation) {
		t.Errorf("expired: %v", err)
	}
	now = now.Add(-time.Second)
	if _, err := s.Redeem(t.Context(), [32]byte{2}, keyed(1)); !errors.Is(err, cdc.ErrInvitation) {
		t.Errorf("another secret: %v", err)
	}
	if _, err := s.Redeem(t.Context(), hash, keyed(1)); err != nil {
		t.Error(err)
	}
}

func TestRedeemAddsWhatWasInvited(t *testing.T) {
	n := newNode(t, 1, ``)
	hour := time.Now().Add(time.Hour)
	for i, test := range []struct {
		invitation cdc.Invitation
		by         cdc.Remote
		want       cdc.Remote
	}{
		{cdc.Invitation{Name: "till", Datasets: []string{"primary"}, Expires: hour}, keyed(1),
			cdc.Remote{Name: "till", Key: keyed(1).Key, Datasets: []string{"primary"}, Pull: true, Push: true}},
		// The key is known: its name stays.
		{cdc.Invitation{Name: "other", Expires: hour}, keyed(1),
			cdc.Remote{Name: "till", Key: keyed(1).Key, Pull: true, Push: true}},
		// The name is taken meanwhile.
		{cdc.Invitation{Name: "late", Expires: hour}, keyed(2),
			cdc.Remote{Name: keyed(2).Key.String(), Key: keyed(2).Key, Pull: true, Push: true}},
	} {
		hash := [32]byte{byte(i)}
		n.invite(hash, test.invitation)
		if test.invitation.Name == "late" {
			late := keyed(9)
			late.Name = "late"
			if err := n.AddRemote(t.Context(), late); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.Redeem(t.Context(), hash, test.by); err != nil {
			t.Fatal(err)
		}
		list, err := n.Remotes(t.Context())
		i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Key == test.by.Key })
		if err != nil || i < 0 || !reflect.DeepEqual(list[i], test.want) {
			t.Errorf("remotes %+v, %v, want %+v", list, err, test.want)
		}
	}
	if err := n.Invite(t.Context(), [32]byte{9}, cdc.Invitation{Name: "till", Expires: hour}); !errors.Is(err, cdc.ErrRemoteExists) {
		t.Errorf("a name that is taken: %v", err)
	}
}

// A remote that has expired is let in again by an invitation.
func TestRedeemRenews(t *testing.T) {
	n := newNode(t, 1, ``)
	r := keyed(1)
	r.Expires = time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	if err := n.AddRemote(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	list, err := n.Remotes(t.Context())
	if err != nil || !list[0].Expires.Equal(r.Expires) || list[0].Shut(time.Now()) == "" || list[0].Shut(r.Expires.Add(-1)) != "" {
		t.Fatalf("remotes %+v, %v", list, err)
	}
	n.invite([32]byte{1}, cdc.Invitation{Expires: time.Now().Add(time.Hour)})
	if _, err := n.Redeem(t.Context(), [32]byte{1}, keyed(1)); err != nil {
		t.Fatal(err)
	}
	if list, err = n.Remotes(t.Context()); err != nil || len(list) != 1 || list[0].Shut(time.Now()) != "" || !list[0].Pull {
		t.Errorf("remotes %+v, %v", list, err)
	}
}

func TestStrangersAreBoundedAndForgotten(t *testing.T) {
	n := newNode(t, 1, ``)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := n.at(&now)
	note := func(i int) {
		t.Helper()
		x := cdc.Stranger{Addr: "192.0.2.1", Tries: 2, Seen: now}
		x.Key[0], x.Key[1] = byte(i), byte(i>>8)
		if err := s.NoteStrangers(t.Context(), []cdc.Stranger{x}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * cdc.MaxStrangers {
		now = now.Add(time.Second)
		note(i)
	}
	now = now.Add(time.Second)
	note(3*cdc.MaxStrangers - 1)
	list, err := s.Strangers(t.Context())
	if err != nil || len(list) != cdc.MaxStrangers || list[0].Tries != 4 || list[1].Tries != 2 || !list[0].Seen.Equal(now) {
		t.Fatalf("%d strangers, first %+v, %v", len(list), list[0], err)
	}
	if err := s.AddRemote(t.Context(), cdc.Remote{Name: "a", Key: list[1].Key}); err != nil {
		t.Fatal(err)
	}
	if list, err = s.Strangers(t.Context()); err != nil || len(list) != cdc.MaxStrangers-1 {
		t.Errorf("%d strangers beside the one that was added, %v", len(list), err)
	}
	now = now.Add(8 * 24 * time.Hour)
	if list, err = s.Strangers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d strangers after a week, %v", len(list), err)
	}
	note(0)
	if got := n.text(`SELECT count(*) FROM sqlsync_stranger`); got != "1" {
		t.Errorf("%s strangers kept", got)
	}
}

// Nothing that could be used as a ticket is in the file.
func TestInvitationsKeepNoSecret(t *testing.T) {
	n := newNode(t, 1, ``)
	n.invite([32]byte{1, 2, 3}, cdc.Invitation{Expires: time.Now().Add(time.Hour)})
	if got := n.text(`SELECT length(hash) || typeof(hash) FROM sqlsync_invitation`); got != "32blob" {
		t.Errorf("kept %s", got)
	}
}

func TestListening(t *testing.T) {
	n := newNode(t, 1, ``)
	for _, addrs := range [][]string{nil, {"[::]:7117"}, nil} {
		if err := n.NoteListening(t.Context(), addrs); err != nil {
			t.Fatal(err)
		}
		if got, err := n.Listening(t.Context()); err != nil || !slices.Equal(got, addrs) {
			t.Errorf("listening on %v, %v", got, err)
		}
	}
}
