package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

// redeemWithin is how long an invited node may wait for the database's lock, so
// that it hears of being admitted within the handshake's time.
const redeemWithin = 8 * time.Second

// admit says whether a key may connect: a remote's, one that proves a valid
// invitation, or one that a remote's key has signed as its successor; the last two
// are remotes from then on. What speaks against it goes to the
// log and to the list of strangers, never to the peer.
func (m *Member) admit(ctx context.Context, from net.Addr) func(crypto.PublicKey, []byte) error {
	return func(peer crypto.PublicKey, payload []byte) error {
		key := merge.NodeID(peer)
		err := cdc.ErrInvitation
		if secret, ok := crypto.Invited(payload); ok {
			err = m.redeem(ctx, secret, key)
		} else if old, ok := m.introduced(peer, payload); ok {
			err = m.follow(ctx, old, key)
		}
		switch {
		case err == nil, m.Node.Knows(key): // who was let in and did not hear of it comes again
			return nil
		case !errors.Is(err, cdc.ErrInvitation):
			return fmt.Errorf("admit %s: %w", peer, err)
		}
		if m.addedSince(ctx, key) {
			return nil
		}
		if err := (*m.disabled.Load())[key]; err != nil {
			return err
		}
		m.strangers.note(key, from, time.Now())
		return &stranger{peer}
	}
}

// addedSince reports whether a key was made a remote, by another process, after
// the remotes were read last.
func (m *Member) addedSince(ctx context.Context, key merge.NodeID) bool {
	ctx, cancel := context.WithTimeout(ctx, redeemWithin)
	defer cancel()
	list, err := m.Store.Remotes(ctx)
	if err != nil || !slices.ContainsFunc(list, func(r cdc.Remote) bool { return r.Key == key }) {
		return false
	}
	_, err = m.Reload(ctx)
	return err == nil && m.Node.Knows(key)
}

func (m *Member) redeem(ctx context.Context, secret crypto.Secret, key merge.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, redeemWithin)
	defer cancel()
	r, err := m.Store.Redeem(ctx, secret.Hash(), cdc.Remote{Name: crypto.PublicKey(key).Short(), Key: key})
	if err != nil {
		return err
	}
	m.log.Info("a node joined by invitation", "remote", r.Name, "key", crypto.PublicKey(key).String())
	_, err = m.Reload(ctx)
	return err
}

// strangers gathers who was refused, until it is written to the database. It is
// bounded, since whoever reaches the port can make keys.
type strangers struct {
	mu   sync.Mutex
	list map[merge.NodeID]cdc.Stranger
}

func (s *strangers) note(key merge.NodeID, from net.Addr, now time.Time) {
	addr := from.String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host // the port is another each time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.list[key]
	if !ok && len(s.list) >= cdc.MaxStrangers {
		return
	}
	if s.list == nil {
		s.list = make(map[merge.NodeID]cdc.Stranger)
	}
	s.list[key] = cdc.Stranger{Key: key, Addr: addr, Tries: x.Tries + 1, Seen: now}
}

func (s *strangers) take() (list []cdc.Stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		list = append(list, x)
	}
	clear(s.list)
	return list
}

// strangersEvery spaces the writes, however many strangers come.
const strangersEvery = time.Second

// noteStrangers writes down who was refused.
func (m *Member) noteStrangers(ctx context.Context) error {
	return every(ctx, strangersEvery, func() {
		list := m.strangers.take()
		if len(list) == 0 {
			return
		}
		if err := m.Store.NoteStrangers(ctx, list); err != nil && ctx.Err() == nil {
			m.log.Warn("note strangers", "err", err)
		}
	})
}
