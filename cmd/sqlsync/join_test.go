package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/crypto"
)

func TestJoinWithAnExpiredTicket(t *testing.T) {
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		t.Fatal(err)
	}
	ticket := crypto.Ticket{Key: id.PublicKey(), Secret: crypto.NewSecret(), Expires: time.Now().Add(-time.Minute), Addrs: []string{"localhost:1"}}
	text, err := ticket.Text()
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "a.db")
	var out, errs strings.Builder
	code := run(t.Context(), []string{"--db", db, "join", text}, strings.NewReader(""), &out, &errs)
	if code != exitFailed || out.Len() > 0 || !strings.HasPrefix(errs.String(), "sqlsync: the ticket expired at ") ||
		!strings.Contains(errs.String(), "\nhint: ask for another") || strings.Contains(errs.String(), text) {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
	if names, err := filepath.Glob(db + "*"); err != nil || len(names) > 0 {
		t.Errorf("made %v, %v", names, err)
	}
}
