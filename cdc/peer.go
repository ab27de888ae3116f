package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/merge"
)

// PeerState is what a running serve knows of a peer. It is kept in the
// database so that another process can show it.
type PeerState struct {
	Peer merge.NodeID
	// State is one of replicate's words.
	State, Error string
	// LastSync is when both sides last had everything, zero for never.
	LastSync time.Time
	// Datasets is how each of them stands, nil where nobody knows.
	Datasets map[string]PeerDataset
}

// PeerDataset is State and Error of one dataset. Denied says that the peer does
// not exchange it.
type PeerDataset struct {
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
	Denied bool   `json:"denied,omitempty"`
}

// syncNoteEvery is how much later a LastSync must be to be written again.
const syncNoteEvery = 5 * time.Second

// NotePeers keeps the states of peers. It writes only what is news.
func (s *Store) NotePeers(ctx context.Context, states []PeerState) error {
	s.peersMu.Lock()
	defer s.peersMu.Unlock()
	news := slices.DeleteFunc(slices.Clone(states), func(p PeerState) bool {
		was, ok := s.peers[p.Peer]
		return ok && was.State == p.State && was.Error == p.Error && maps.Equal(was.Datasets, p.Datasets) && p.LastSync.Sub(was.LastSync) < syncNoteEvery
	})
	if len(news) == 0 {
		return nil
	}
	err := s.write(ctx, func(t *tx) error {
		for _, p := range news {
			var at any
			if !p.LastSync.IsZero() {
				at = p.LastSync.UnixMilli()
			}
			streams, err := json.Marshal(p.Datasets)
			if err != nil {
				return fmt.Errorf("note peer: %w", err)
			}
			if _, err := t.Exec(`UPDATE sqlsync_remote SET state = ?, error = ?, synced = coalesce(?, synced), streams = ? WHERE key = ?`,
				p.State, p.Error, at, string(streams), p.Peer[:]); err != nil {
				return fmt.Errorf("note peer: %w", err)
			}
		}
		return nil
	})
	s.trouble("note the state of peers", err)
	if err != nil {
		return err
	}
	if s.peers == nil {
		s.peers = make(map[merge.NodeID]PeerState)
	}
	for _, p := range news {
		s.peers[p.Peer] = p
	}
	return nil
}

// Peers returns the states that were kept last, by peer.
func (s *Store) Peers(ctx context.Context) (map[merge.NodeID]PeerState, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT key, coalesce(state, ''), coalesce(error, ''), coalesce(synced, 0), coalesce(streams, 'null') FROM sqlsync_remote`)
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", s.explain(err))
	}
	defer rows.Close()
	out := make(map[merge.NodeID]PeerState)
	for rows.Next() {
		var key []byte
		var p PeerState
		var ms int64
		var streams []byte
		if err := rows.Scan(&key, &p.State, &p.Error, &ms, &streams); err != nil {
			return nil, fmt.Errorf("read peers: %w", err)
		}
		if err := json.Unmarshal(streams, &p.Datasets); err != nil {
			return nil, fmt.Errorf("read peers: %w", err)
		}
		p.Peer = merge.NodeID(key)
		if ms > 0 {
			p.LastSync = time.UnixMilli(ms).UTC()
		}
		out[p.Peer] = p
	}
	return out, rows.Err()
}
