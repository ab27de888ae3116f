package replicate

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"sqlsync/wire"
)

// Conditions that callers tell apart.
var (
	// ErrRefused says that the peer does not take us, or not for what we want.
	ErrRefused = errors.New("refused")
	// ErrNoDataset says that one side does not have the dataset.
	ErrNoDataset = errors.New("no such dataset")
	// ErrNoMember says that a dataset is private and one side has not got its key.
	ErrNoMember = errors.New("only members of a private dataset tell each other tables and rows")
	// ErrOtherKey says that both sides have a key of a private dataset, and not the
	// same.
	ErrOtherKey = errors.New("the two sides have different keys of the private dataset")
	// ErrDisabled says that one side has disabled the dataset.
	ErrDisabled = errors.New("dataset is disabled")
	// ErrProtocol says that the sides have no protocol version in common.
	ErrProtocol = errors.New("no common protocol version")
	// ErrPruned says that the peer lacks batches that are no longer held here.
	ErrPruned = errors.New("peer is behind what is kept here")
	// ErrUnknownRemote says that a name or key is no remote's.
	ErrUnknownRemote = errors.New("unknown remote")
	// ErrUnreachable says that a remote has no address and is not connected.
	ErrUnreachable = errors.New("remote has no address and is not connected")
)

// Reasons for which a session ends and is begun anew, or was not wanted.
var (
	errSilent    = errors.New("peer went silent")
	errStalled   = errors.New("peer has taken nothing")
	errReplaced  = errors.New("replaced by another connection")
	errRestarted = errors.New("settings changed")
	errClosed    = errors.New("connection is closed")
	errLost      = errors.New("connection lost")
)

// The codes that a Bye carries.
const (
	byeProtocol  = "protocol"
	byeNoDataset = "no-dataset"
	byeDisabled  = "disabled"
	byeRefused   = "refused"
	byeNoMember  = "no-member"
	byeOtherKey  = "other-key"
	byeInvalid   = "invalid"
	byeGap       = "gap"
	byePruned    = "pruned"
	byeSilent    = "silent"
	byeStalled   = "stalled"
	byeReplaced  = "replaced"
	byeRestarted = "restarted"
	byeStore     = "store"
)

// byeErrors pairs the codes with the conditions they stand for, in both
// directions.
var byeErrors = []struct {
	code string
	err  error
}{
	{byeProtocol, ErrProtocol}, {byeNoDataset, ErrNoDataset}, {byeDisabled, ErrDisabled}, {byeRefused, ErrRefused},
	{byeNoMember, ErrNoMember}, {byeOtherKey, ErrOtherKey},
	{byeInvalid, wire.ErrInvalid}, {byeGap, wire.ErrGap}, {byePruned, ErrPruned},
	{byeSilent, errSilent}, {byeStalled, errStalled}, {byeReplaced, errReplaced}, {byeRestarted, errRestarted},
}

// ByeError is a session's end as the peer explained it. It is the sentinel
// that its code stands for.
type ByeError struct{ Code, Text string }

func (e *ByeError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("peer ended the session: %s", e.Code)
	}
	return fmt.Sprintf("peer ended the session: %s", e.Text)
}

// Is reports whether the code stands for target.
func (e *ByeError) Is(target error) bool {
	for _, b := range byeErrors {
		if b.code == e.Code {
			return b.err == target
		}
	}
	return false
}

// saidBye is the end as a peer explains it.
func saidBye(b *wire.Bye) *ByeError { return &ByeError{brief(b.Code), brief(b.Text)} }

// mostSaid is how much of a peer's text is repeated, in bytes.
const mostSaid = 1000

// brief is a peer's text as it may go into logs and onto terminals.
func brief(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), mostSaid)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// lost says what reading from a peer failed with: either it sent what cannot
// be read, or the connection is gone.
func lost(err error) error {
	if errors.Is(err, wire.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// farewell is the Bye that tells a peer why a session ends, nil if there is no
// one to tell. What is wrong with the own store is nobody else's business.
func farewell(err error) *wire.Bye {
	switch {
	case err == nil:
		return &wire.Bye{}
	case errors.Is(err, errLost):
		return nil
	}
	for _, b := range byeErrors {
		if errors.Is(err, b.err) {
			return &wire.Bye{Code: b.code, Text: err.Error()}
		}
	}
	return &wire.Bye{Code: byeStore, Text: "the peer's store is in trouble"}
}
