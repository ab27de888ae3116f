package cdc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/blake2b"

	"sqlsync/wire"
)

// Hook is a command or an address that is given every change.
type Hook struct {
	Name string
	// Command or URL is set.
	Command, URL string
	// Dataset and Table say which changes, empty is all.
	Dataset, Table string
	// Timeout is of one call.
	Timeout time.Duration
	// Error is what the last call ended with, empty if it went well, and Since
	// when that began.
	Error string
	Since time.Time
	// Trusted says that this node made the hook. One that was written to the
	// database in another way must not be carried out.
	Trusted bool

	id        int64
	nonce     []byte
	signature []byte
}

// Conditions of hooks that callers tell apart.
var (
	ErrNoHook     = errors.New("no such hook")
	ErrHookExists = errors.New("hook exists")
)

// What is signed for a hook, and what its secret is made of, are signatures of
// nothing else.
const (
	hookDomain   = "sqlsync hook v1\x00"
	secretDomain = "sqlsync hook secret v1\x00"
)

// hash is what the node signs of a hook.
func (h *Hook) hash(domain string) wire.Hash {
	b, err := json.Marshal([]any{h.Name, h.Command, h.URL, h.Dataset, h.Table, h.Timeout.Milliseconds(), h.nonce})
	if err != nil {
		panic(err) // strings and numbers
	}
	return blake2b.Sum256(append([]byte(domain), b...))
}

// HookSecret is what the calls of a hook are authenticated with. It is not in
// the database: only the key file gives it.
func (s *Store) HookSecret(h *Hook) string {
	sum := blake2b.Sum256(s.sign(h.hash(secretDomain)))
	return hex.EncodeToString(sum[:])
}

// Hooks lists the hooks by name.
func (s *Store) Hooks(ctx context.Context) ([]Hook, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT id, name, coalesce(command, ''), coalesce(url, ''), coalesce(dataset, ''), coalesce(tab, ''),
		timeout, nonce, signature, coalesce(error, ''), coalesce(since, 0) FROM sqlsync_hook ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read hooks: %w", s.explain(err))
	}
	defer rows.Close()
	var list []Hook
	for rows.Next() {
		var h Hook
		var timeout, since int64
		if err := rows.Scan(&h.id, &h.Name, &h.Command, &h.URL, &h.Dataset, &h.Table, &timeout, &h.nonce, &h.signature, &h.Error, &since); err != nil {
			return nil, fmt.Errorf("read hooks: %w", err)
		}
		h.Timeout = time.Duration(timeout) * time.Millisecond
		if since > 0 {
			h.Since = time.UnixMilli(since).UTC()
		}
		h.Trusted = s.verify(s.node, h.hash(hookDomain), h.signature)
		list = append(list, h)
	}
	return list, rows.Err()
}

// AddHook adds a hook that is given what comes to be held from now on, or with
// backfill everything that is held.
func (s *Store) AddHook(ctx context.Context, h *Hook, backfill bool) error {
	h.nonce = make([]byte, 16)
	rand.Read(h.nonce) // never fails
	h.signature = s.sign(h.hash(hookDomain))
	h.Trusted = true
	return s.write(ctx, func(t *tx) error {
		if n, err := t.Int(`SELECT count(*) FROM sqlsync_hook WHERE name = ?`, h.Name); err != nil || n > 0 {
			return errors.Join(err, fmt.Errorf("%w: %q", ErrHookExists, h.Name))
		}
		if _, err := t.Exec(`INSERT INTO sqlsync_hook (name, command, url, dataset, tab, timeout, nonce, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			h.Name, orNull(h.Command), orNull(h.URL), orNull(h.Dataset), orNull(h.Table), h.Timeout.Milliseconds(), h.nonce, h.signature); err != nil {
			return fmt.Errorf("add hook: %w", err)
		}
		if !backfill {
			if _, err := t.Exec(`INSERT INTO sqlsync_hook_cursor (hook_id, dataset_id, pos)
				SELECT (SELECT id FROM sqlsync_hook WHERE name = ?), id, pos FROM sqlsync_dataset`, h.Name); err != nil {
				return fmt.Errorf("add hook: %w", err)
			}
		}
		return t.changed()
	})
}

func orNull[T comparable](v T) any {
	if v == *new(T) {
		return nil
	}
	return v
}

// RemoveHook forgets a hook.
func (s *Store) RemoveHook(ctx context.Context, name string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.Exec(`DELETE FROM sqlsync_hook_cursor WHERE hook_id = (SELECT id FROM sqlsync_hook WHERE name = ?)`, name); err != nil {
			return fmt.Errorf("remove hook: %w", err)
		}
		n, err := t.Exec(`DELETE FROM sqlsync_hook WHERE name = ?`, name)
		switch {
		case err != nil:
			return fmt.Errorf("remove hook: %w", err)
		case n == 0:
			return fmt.Errorf("%w: %q", ErrNoHook, name)
		}
		return t.changed()
	})
}

// NoteHook keeps what the last call of a hook ended with, nil for well.
func (s *Store) NoteHook(ctx context.Context, h *Hook, trouble error) error {
	return s.write(ctx, func(t *tx) error {
		if trouble == nil {
			_, err := t.Exec(`UPDATE sqlsync_hook SET error = NULL, since = NULL WHERE id = ?`, h.id)
			return err
		}
		_, err := t.Exec(`UPDATE sqlsync_hook SET error = ?, since = coalesce(since, ?) WHERE id = ?`, trouble.Error(), t.now.UnixMilli(), h.id)
		return err
	})
}

// TookHook notes that a hook has taken everything of a dataset up to a place.
func (s *Store) TookHook(ctx context.Context, h *Hook, dataset string, pos int64) error {
	return s.write(ctx, func(t *tx) error {
		d, err := t.dataset(dataset)
		if err != nil {
			return err
		}
		if n, err := t.Int(`SELECT count(*) FROM sqlsync_hook WHERE id = ?`, h.id); err != nil || n == 0 {
			return err // it was removed meanwhile
		}
		_, err = t.Exec(`INSERT OR REPLACE INTO sqlsync_hook_cursor (hook_id, dataset_id, pos) VALUES (?, ?, ?)`, h.id, d.id, pos)
		return err
	})
}

// UntakenBy calls fn for the changes of every batch of a dataset that a hook has
// not taken, in order, until fn fails.
func (s *Store) UntakenBy(ctx context.Context, h *Hook, dataset string, fn func(pos int64, changes []Entry) error) error {
	var pos int64
	err := s.get(ctx, &pos, `SELECT coalesce((SELECT c.pos FROM sqlsync_hook_cursor AS c JOIN sqlsync_dataset AS d ON d.id = c.dataset_id
		WHERE c.hook_id = ? AND d.name = ?), 0)`, h.id, dataset)
	if err != nil {
		return fmt.Errorf("read cursor of hook: %w", s.explain(err))
	}
	for {
		list, err := s.Stream(dataset).After(ctx, pos, 1<<20)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, held := range list {
			var changes []Entry
			err := s.logBatch(held, Cursor{Dataset: dataset}, func(e *Entry) error {
				changes = append(changes, *e)
				return nil
			})
			if err == nil {
				err = fn(held.Pos, changes)
			}
			if err != nil {
				return err
			}
			pos = held.Pos
		}
	}
}

// Same reports whether two are the same hook in every respect but how it fares.
func (h *Hook) Same(o *Hook) bool { return h.id == o.id && slices.Equal(h.signature, o.signature) }
