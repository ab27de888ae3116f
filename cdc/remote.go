package cdc

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sqlsync/merge"
)

// Remote is a peer that this node knows by name and key.
type Remote struct {
	Name string
	Key  merge.NodeID
	// Addrs are where it may be reached, HOST:PORT each; none means that it
	// dials.
	Addrs []string
	// Datasets are those exchanged with it, nil for all.
	Datasets []string
	// Pull and Push say what is exchanged: its changes, ours. Directions say so
	// of single datasets.
	Pull, Push bool
	Directions map[string]Direction
	// MaxOffline is for how long nothing is pruned that it has not confirmed:
	// nil is DefaultMaxOffline, 0 for ever.
	MaxOffline *time.Duration
	// Expires is when it is refused from, zero for never.
	Expires time.Time
	// Disabled says that it is refused and not dialed; EnableRemote sets it.
	Disabled bool
	// Former is the key that it had before, zero for none; only Succeed sets it.
	Former merge.NodeID
	// Learned is where peers say that it is, nil if they do not; only NoteLearned
	// sets it.
	Learned *Learned
}

// expiry is Expires as a column's value.
func (r *Remote) expiry() any {
	if r.Expires.IsZero() {
		return nil
	}
	return r.Expires.UnixMilli()
}

// offline is MaxOffline as a column's value.
func (r *Remote) offline() any {
	if r.MaxOffline == nil {
		return nil
	}
	return r.MaxOffline.Milliseconds()
}

// Conditions of remotes that callers tell apart.
var (
	ErrNoRemote     = errors.New("no such remote")
	ErrRemoteExists = errors.New("remote exists")
)

// remoteList is what Remotes has read, as of a generation. Every session asks
// for it whenever a remote has changed, which with many is often.
type remoteList struct {
	mu         sync.Mutex
	generation int64
	list       []Remote
}

// Remotes lists the remotes by name. The list is everybody's: it is not to be
// changed.
func (s *Store) Remotes(ctx context.Context) ([]Remote, error) {
	var generation int64
	if err := s.db.GetContext(ctx, &generation, `SELECT generation FROM sqlsync_node`); err != nil {
		return nil, fmt.Errorf("read remotes: %w", s.explain(err))
	}
	r := &s.remotes
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list != nil && r.generation == generation {
		return r.list, nil
	}
	list, err := readRemotes(ctx, s.db.DB)
	if err != nil {
		return nil, err
	}
	// Of the generation or of a later one, for which it is read once more.
	r.generation, r.list = generation, list
	return list, nil
}

func readRemotes(ctx context.Context, db *sql.DB) ([]Remote, error) {
	rows, err := db.QueryContext(ctx, `SELECT name, key, addrs, datasets, pull, push, expires, former, max_offline, directions, coalesce(disabled, 0),
		learned, learned_from, learned_addrs, learned_said FROM sqlsync_remote ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read remotes: %w", (&Store{}).explain(err))
	}
	defer rows.Close()
	list := []Remote{}
	for rows.Next() {
		var r Remote
		var key, former, learned, from []byte
		var addrs string
		var learnedAddrs *string
		var said *int64
		var datasets *string
		var directions sql.NullString
		var expires, offline *int64
		if err := rows.Scan(&r.Name, &key, &addrs, &datasets, &r.Pull, &r.Push, &expires, &former, &offline, &directions, &r.Disabled,
			&learned, &from, &learnedAddrs, &said); err != nil {
			return nil, fmt.Errorf("read remotes: %w", err)
		}
		r.Key = merge.NodeID(key)
		copy(r.Former[:], former)
		if offline != nil {
			d := time.Duration(*offline) * time.Millisecond
			r.MaxOffline = &d
		}
		if expires != nil {
			r.Expires = time.UnixMilli(*expires).UTC()
		}
		if err := json.Unmarshal([]byte(addrs), &r.Addrs); err != nil {
			return nil, fmt.Errorf("read remote %s: %w", r.Name, err)
		}
		if r.Learned, err = readLearned(learned, from, learnedAddrs, said); err != nil {
			return nil, fmt.Errorf("read remote %s: %w", r.Name, err)
		}
		if r.Directions, err = readDirections(directions); err != nil {
			return nil, fmt.Errorf("read remote %s: %w", r.Name, err)
		}
		if datasets != nil {
			if err := json.Unmarshal([]byte(*datasets), &r.Datasets); err != nil {
				return nil, fmt.Errorf("read remote %s: %w", r.Name, err)
			}
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// AddRemote adds a remote. A remote that is there in every respect is fine;
// one with the name or the key and another of the two is ErrRemoteExists.
func (s *Store) AddRemote(ctx context.Context, r Remote) error {
	if r.Key == s.node {
		return errors.New("add remote: the key is this node's own")
	}
	if r.Name == "" {
		return errors.New("add remote: the name is empty")
	}
	list, err := s.Remotes(ctx)
	if err != nil {
		return err
	}
	for _, have := range list {
		switch {
		case have.Name == r.Name && have.Key == r.Key:
			return s.SetRemote(ctx, r)
		case have.Name == r.Name:
			return fmt.Errorf("%w: %q has another key", ErrRemoteExists, r.Name)
		case have.Key == r.Key:
			return fmt.Errorf("%w: the key is that of %q", ErrRemoteExists, have.Name)
		}
	}
	addrs, datasets, err := r.lists()
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		if err := t.checkBan(r.Key); err != nil {
			return fmt.Errorf("add remote: %w", err)
		}
		if _, err := t.Exec(`INSERT INTO sqlsync_remote (name, key, addrs, datasets, pull, push, expires, max_offline, directions, added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.Name, r.Key[:], addrs, datasets, r.Pull, r.Push, r.expiry(), r.offline(), r.directions(), t.now.UTC().Format(time.RFC3339)); err != nil {
			return fmt.Errorf("add remote: %w", err)
		}
		if err := t.forgetStranger(r.Key); err != nil {
			return fmt.Errorf("add remote: %w", err)
		}
		return t.changed()
	})
}

func (r *Remote) lists() (addrs string, datasets any, err error) {
	a, err := json.Marshal(slices.Concat([]string{}, r.Addrs))
	if err != nil {
		return "", nil, err
	}
	if r.Datasets != nil {
		d, err := json.Marshal(r.Datasets)
		if err != nil {
			return "", nil, err
		}
		datasets = string(d)
	}
	return string(a), datasets, nil
}

// SetRemote changes the remote of that name, its key excepted.
func (s *Store) SetRemote(ctx context.Context, r Remote) error {
	addrs, datasets, err := r.lists()
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		n, err := t.Exec(`UPDATE sqlsync_remote SET addrs = ?, datasets = ?, pull = ?, push = ?, expires = ?, max_offline = ?, directions = ? WHERE name = ?`,
			addrs, datasets, r.Pull, r.Push, r.expiry(), r.offline(), r.directions(), r.Name)
		switch {
		case err != nil:
			return fmt.Errorf("change remote: %w", err)
		case n == 0:
			return fmt.Errorf("%w: %q", ErrNoRemote, r.Name)
		}
		return t.changed()
	})
}

// RenameRemote gives a remote another name, which no remote has.
func (s *Store) RenameRemote(ctx context.Context, name, to string) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.Exec(`UPDATE sqlsync_remote SET name = ? WHERE name = ?`, to, name)
		switch {
		case err != nil:
			return fmt.Errorf("rename remote: %w", err)
		case n == 0:
			return fmt.Errorf("%w: %q", ErrNoRemote, name)
		}
		return t.changed()
	})
}

// RemoveRemote forgets a remote and what it has confirmed.
func (s *Store) RemoveRemote(ctx context.Context, name string) error {
	return s.write(ctx, func(t *tx) error { return t.removeRemote(name) })
}

func (t *tx) removeRemote(name string) error {
	var key []byte
	if err := t.Query(func(row []any) error {
		key, _ = row[0].([]byte)
		return nil
	}, `SELECT key FROM sqlsync_remote WHERE name = ?`, name); err != nil {
		return fmt.Errorf("remove remote: %w", err)
	}
	if len(key) == len(merge.NodeID{}) {
		if err := t.abandon(nil, merge.NodeID(key)); err != nil {
			return fmt.Errorf("remove remote: %w", err)
		}
	}
	for _, q := range []string{
		`DELETE FROM sqlsync_watermark WHERE remote_id = (SELECT id FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_absent WHERE node = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_arrival WHERE holder = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_snapshot WHERE peer = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_even WHERE node = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_shape WHERE node = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_elsewhere WHERE node = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
		`DELETE FROM sqlsync_disagreement WHERE kind = 'watch' AND node = (SELECT key FROM sqlsync_remote WHERE name = ?)`,
	} {
		if _, err := t.Exec(q, name); err != nil {
			return fmt.Errorf("remove remote: %w", err)
		}
	}
	n, err := t.Exec(`DELETE FROM sqlsync_remote WHERE name = ?`, name)
	switch {
	case err != nil:
		return fmt.Errorf("remove remote: %w", err)
	case n == 0:
		return fmt.Errorf("%w: %q", ErrNoRemote, name)
	}
	return t.changed()
}
