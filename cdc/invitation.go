package cdc

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrInvitation says that there is no such invitation, or that it has expired or
// was used.
var ErrInvitation = errors.New("no valid invitation")

// invitationsFor is how long an invitation is kept after its end.
const invitationsFor = 7 * 24 * time.Hour

// Invitation lets one node in that is not known yet.
type Invitation struct {
	// Name is what to call the remote, empty for what Redeem is told.
	Name     string
	Datasets []string // nil for all
	Expires  time.Time
}

// Invite keeps an invitation by its secret's hash.
func (s *Store) Invite(ctx context.Context, hash [32]byte, i Invitation) error {
	_, datasets, err := (&Remote{Datasets: i.Datasets}).lists()
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		if i.Name != "" {
			if n, err := t.Int(`SELECT count(*) FROM sqlsync_remote WHERE name = ?`, i.Name); err != nil || n > 0 {
				return errors.Join(err, fmt.Errorf("%w: %q", ErrRemoteExists, i.Name))
			}
		}
		if _, err := t.Exec(`DELETE FROM sqlsync_invitation WHERE expires < ?`, t.now.Add(-invitationsFor).UnixMilli()); err != nil {
			return fmt.Errorf("forget invitations: %w", err)
		}
		if _, err := t.Exec(`INSERT INTO sqlsync_invitation (hash, name, datasets, expires) VALUES (?, ?, ?, ?)`,
			hash[:], nullable(i.Name), datasets, i.Expires.UnixMilli()); err != nil {
			return fmt.Errorf("keep invitation: %w", err)
		}
		return nil
	})
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Redeem uses an invitation up and adds as a remote whoever proved it, in one
// transaction: of any number that try, in any processes, one succeeds. r has the
// node's key, and the name for which the inviter did not choose another. A remote
// that there is gets the datasets of the invitation, and expires no more.
func (s *Store) Redeem(ctx context.Context, hash [32]byte, r Remote) (Remote, error) {
	// A stranger's guess costs no lock.
	if n, err := s.validInvitations(ctx, hash); err != nil || n == 0 {
		return r, errors.Join(err, ErrInvitation)
	}
	added := r
	err := s.write(ctx, func(t *tx) error {
		added = r
		if err := t.useInvitation(hash, &added); err != nil {
			return err
		}
		if err := t.admit(&added); err != nil {
			return fmt.Errorf("add remote: %w", err)
		}
		return t.changed()
	})
	return added, err
}

func (s *Store) validInvitations(ctx context.Context, hash [32]byte) (n int64, err error) {
	err = s.db.GetContext(ctx, &n, `SELECT count(*) FROM sqlsync_invitation WHERE hash = ? AND used IS NULL AND expires > ?`,
		hash[:], s.now().UnixMilli())
	if err != nil {
		err = fmt.Errorf("read invitation: %w", s.explain(err))
	}
	return n, err
}

// useInvitation marks an invitation as used and gives r what it says.
func (t *tx) useInvitation(hash [32]byte, r *Remote) error {
	n, err := t.Exec(`UPDATE sqlsync_invitation SET used = ?, node = ? WHERE hash = ? AND used IS NULL AND expires > ?`,
		t.now.UnixMilli(), r.Key[:], hash[:], t.now.UnixMilli())
	switch {
	case err != nil:
		return fmt.Errorf("use invitation: %w", err)
	case n == 0:
		return ErrInvitation
	}
	return t.Query(func(row []any) error {
		if name, ok := row[0].(string); ok {
			r.Name = name
		}
		if datasets, ok := row[1].(string); ok {
			return json.Unmarshal([]byte(datasets), &r.Datasets)
		}
		return nil
	}, `SELECT name, datasets FROM sqlsync_invitation WHERE hash = ?`, hash[:])
}

// admit adds or renews a remote that was invited. A name that another remote got
// since is left to that.
func (t *tx) admit(r *Remote) error {
	addrs, datasets, err := r.lists()
	if err != nil {
		return err
	}
	r.Pull, r.Push = true, true
	if err := t.checkBan(r.Key); err != nil {
		return err
	}
	n, err := t.Exec(`UPDATE sqlsync_remote SET datasets = ?, pull = 1, push = 1, directions = NULL, expires = NULL, disabled = NULL WHERE key = ?`, datasets, r.Key[:])
	if err != nil || n > 0 {
		return err
	}
	if n, err := t.Int(`SELECT count(*) FROM sqlsync_remote WHERE name = ?`, r.Name); err != nil {
		return err
	} else if n > 0 {
		r.Name = r.Key.String()
	}
	if err := t.forgetStranger(r.Key); err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO sqlsync_remote (name, key, addrs, datasets, pull, push, added) VALUES (?, ?, ?, ?, 1, 1, ?)`,
		r.Name, r.Key[:], addrs, datasets, t.now.UTC().Format(time.RFC3339))
	return err
}

// NoteListening keeps the addresses on which a serve listens; nil for none.
func (s *Store) NoteListening(ctx context.Context, addrs []string) error {
	text, err := json.Marshal(append([]string{}, addrs...))
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		if _, err := t.Exec(`UPDATE sqlsync_node SET listening = ?`, string(text)); err != nil {
			return fmt.Errorf("note addresses: %w", err)
		}
		return nil
	})
}

// Listening returns what NoteListening kept last. It outlives a serve that was
// killed.
func (s *Store) Listening(ctx context.Context) (addrs []string, err error) {
	var text sql.NullString
	if err := s.db.GetContext(ctx, &text, `SELECT listening FROM sqlsync_node`); err != nil {
		return nil, fmt.Errorf("read addresses: %w", s.explain(err))
	}
	return decodeListening(text)
}

func decodeListening(text sql.NullString) (addrs []string, err error) {
	if text.Valid {
		err = json.Unmarshal([]byte(text.String), &addrs)
	}
	return addrs, err
}
