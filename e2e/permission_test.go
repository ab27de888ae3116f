package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a remote may is changed, and taken from it, by another process while it
// is connected.
func TestPermissionsChangeWhileConnected(t *testing.T) {
	a, b := meet(t, "items", "id INTEGER PRIMARY KEY, v")
	has := func(n *node, id string) bool { return n.sqlite(`SELECT count(*) FROM items WHERE id = `+id) == "1" }
	// Whoever dials says that it has left one and has another; the one that is
	// dialed may have the other before it has left the one, and says nothing.
	sessions := func() int { return strings.Count(a.proc.text()+b.proc.text(), "peer connected") }
	b.sqlite(`INSERT INTO items VALUES (1, 'b')`)
	waitFor(t, "row 1", func() bool { return has(a, "1") })

	before := sessions()
	a.must("remote", "set", "b", "--push")
	waitFor(t, "a session that only pushes", func() bool { return sessions() > before })
	b.sqlite(`INSERT INTO items VALUES (2, 'b')`)
	b.must("sync")
	a.sqlite(`INSERT INTO items VALUES (3, 'a')`)
	waitFor(t, "row 3", func() bool { return has(b, "3") })
	if has(a, "2") {
		t.Error("a took what it does not pull")
	}

	before = sessions()
	a.must("remote", "set", "b", "--pull")
	waitFor(t, "a session that only pulls, and row 2", func() bool { return sessions() > before && has(a, "2") })
	a.sqlite(`INSERT INTO items VALUES (4, 'a')`)
	b.sqlite(`INSERT INTO items VALUES (5, 'b')`)
	waitFor(t, "row 5", func() bool { return has(a, "5") })
	b.must("sync")
	if has(b, "4") {
		t.Error("b was given what a does not push")
	}

	state := func() string {
		var st struct{ Remotes []struct{ State string } }
		if err := json.Unmarshal([]byte(b.must("status", "--json")), &st); err != nil {
			t.Fatal(err)
		}
		return st.Remotes[0].State
	}
	a.must("remote", "remove", "b", "--yes")
	waitFor(t, "b to be refused", func() bool { return state() == "refused" })
	b.sqlite(`INSERT INTO items VALUES (6, 'b')`)
	if _, errs, code := b.run("sync", "--timeout", "60s"); code != 1 || !strings.Contains(errs, "refused the connection") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if has(a, "6") || has(b, "4") {
		t.Error("something went on")
	}

	a.must("remote", "add", "b", b.key())
	waitFor(t, "row 6", func() bool { return has(a, "6") })
	a.must("remote", "set", "b", "--expires", "1s")
	waitFor(t, "b to be refused again", func() bool { return state() == "refused" })
}
