package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sqlsync/merge"
)

// Learned is where a remote says that it can be reached, as others told.
type Learned struct {
	// Statement is the remote's word, which is passed on; Addrs are those of it
	// that can be reached from here.
	Statement []byte
	Addrs     []string
	// Said is when the remote made it, From the node that told.
	Said time.Time
	From merge.NodeID
}

// LearnedFor is for how long the word of a remote counts.
const LearnedFor = 30 * 24 * time.Hour

// Current reports whether it counts still.
func (l *Learned) Current(now time.Time) bool {
	return l != nil && now.Sub(l.Said) < LearnedFor
}

// Dialed are where a remote may be reached: where people say that it is, and then
// where it says itself.
func (r *Remote) Dialed(now time.Time) []string {
	addrs := slices.Clone(r.Addrs)
	if r.Learned.Current(now) {
		for _, addr := range r.Learned.Addrs {
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// NoteLearned keeps where a remote can be reached, unless something later is
// known of it, and reports whether that was news.
func (s *Store) NoteLearned(ctx context.Context, remote merge.NodeID, l Learned) (news bool, err error) {
	addrs, err := json.Marshal(append([]string{}, l.Addrs...))
	if err != nil {
		return false, err
	}
	err = s.write(ctx, func(t *tx) error {
		n, err := t.Exec(`UPDATE sqlsync_remote SET learned = ?1, learned_addrs = ?2, learned_said = ?3, learned_from = ?4
			WHERE key = ?5 AND coalesce(learned_said, 0) < ?3`, l.Statement, string(addrs), l.Said.UnixMilli(), l.From[:], remote[:])
		if err != nil {
			return fmt.Errorf("note learned addresses: %w", err)
		}
		if news = n > 0; !news {
			return nil
		}
		return t.changed()
	})
	return news, err
}

// readLearned is what NoteLearned kept, nil for nothing.
func readLearned(statement, from []byte, addrs *string, said *int64) (*Learned, error) {
	if statement == nil || addrs == nil || said == nil {
		return nil, nil
	}
	l := &Learned{Statement: statement, Said: time.UnixMilli(*said).UTC()}
	copy(l.From[:], from)
	return l, json.Unmarshal([]byte(*addrs), &l.Addrs)
}
