package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

// trouble is what a serve cannot do for now, as it leaves it for status.
type trouble struct {
	What   string `json:"what"`
	Error  string `json:"error"`
	Remedy string `json:"remedy"`
	Since  string `json:"since"`
}

func (t trouble) String() string {
	return fmt.Sprintf("cannot %s since %s: %s; %s", t.What, t.Since, t.Error, t.Remedy)
}

// It is left in the lock file, for the database may be what cannot be written.
// The file is made as large as it may become when serve starts and then only
// written over, which works on a full disk too. Its first byte is the lock's:
// on Windows nobody else may read that.
const (
	troubleAt   = 1
	troubleSize = 4096
)

// reportTroubles keeps the troubles of a store in the lock file until ctx ends.
func (s *service) reportTroubles(ctx context.Context) error {
	changed, stop := s.Store.Troubled()
	defer stop()
	for {
		if err := writeTroubles(mesh.LockPath(s.Store.Path()), s.Store.Troubles()); err != nil {
			s.log.Warn("note what does not work", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func writeTroubles(path string, list []cdc.Trouble) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // for the errors before the end
	notes := []trouble{}
	for _, t := range list {
		notes = append(notes, trouble{t.What, t.Err.Error(), remedy(t.Err), t.Since.UTC().Format(time.RFC3339)})
	}
	text, err := json.Marshal(notes)
	for ; err == nil && len(text) > troubleSize; text, err = json.Marshal(notes) {
		notes = notes[:len(notes)-1]
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, bytes.Repeat([]byte{' '}, troubleSize-len(text))...), troubleAt)
	return errors.Join(err, f.Close())
}

func remedy(err error) string {
	var table *cdc.TableError
	switch {
	case errors.Is(err, cdc.ErrFull):
		return "make room on the disk; nothing is lost meanwhile"
	case errors.Is(err, cdc.ErrReadOnly):
		return "check the owner and the permissions of the database and its folder; nothing is lost meanwhile"
	case errors.Is(err, cdc.ErrLocked):
		return "end the other program's transaction or its exclusive lock; nothing is lost meanwhile"
	case errors.Is(err, cdc.ErrDamagedBatch):
		return "peers that lack it get a snapshot instead; check the disk: sqlsync verify, and PRAGMA integrity_check"
	case errors.As(err, &table):
		return "its changes are kept and the other tables go on; sqlsync verify may say more"
	}
	return "see the log of sqlsync serve; nothing is lost meanwhile, and it is tried again"
}

// sayTroubles says what the serve of a database cannot do that cannot be opened.
func (a *app) sayTroubles() {
	if path, err := a.path(); err == nil && mesh.Served(path) {
		for _, t := range readTroubles(path) {
			a.say("serve %s", t)
		}
	}
}

// readTroubles reads what the serve of a database has left. Nothing can be
// done about an error.
func readTroubles(db string) []trouble {
	f, err := os.Open(mesh.LockPath(db))
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, troubleSize)
	n, _ := f.ReadAt(b, troubleAt)
	var list []trouble
	_ = json.Unmarshal(b[:n], &list)
	return list
}
