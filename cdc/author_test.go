package cdc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// renewing are the options of a node that can go on as another author.
func renewing(seed byte, path string) cdc.Options {
	return cdc.Options{
		Witness: path + "-sqlsync.witness",
		Author: func(salt []byte) cdc.Author {
			sum := sha256.Sum256(append([]byte{seed}, salt...))
			return authorOf(ed25519.NewKeyFromSeed(sum[:]))
		},
	}
}

func renewingNode(t testing.TB, seed byte, path, schema string) *node {
	t.Helper()
	return openNodeWith(t, seed, path, schema, renewing(seed, path))
}

// renewingPair is pair, of nodes that can go on as other authors.
func renewingPair(t testing.TB, schema string, o cdc.WatchOptions) (a, b *node) {
	t.Helper()
	a = renewingNode(t, 1, filepath.Join(t.TempDir(), "a.db"), schema)
	b = renewingNode(t, 2, filepath.Join(t.TempDir(), "b.db"), schema)
	a.watch(o, "items")
	b.watch(o, "items")
	return a, b
}

// backup copies the database, as a file by itself.
func (n *node) backup() string {
	n.t.Helper()
	path := filepath.Join(n.t.TempDir(), "backup.db")
	n.exec(`VACUUM INTO '` + path + `'`)
	return path
}

// shut closes store and application.
func (n *node) shut() {
	n.t.Helper()
	n.ended = true
	if err := errors.Join(n.app.Close(), n.Close()); err != nil {
		n.t.Fatal(err)
	}
}

func move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// overwrite puts a file's content into another, which stays the same file.
func overwrite(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An older copy is put back, its application writes before anybody is met, and
// seals: no number is given twice, and both what was lost and what came since are
// on all nodes.
func TestOlderCopyPutBack(t *testing.T) {
	for name, putBack := range map[string]func(t *testing.T, backup, path string) string{
		"moved over": func(t *testing.T, backup, path string) string { move(t, backup, path); return path },
		"written over": func(t *testing.T, backup, path string) string {
			overwrite(t, backup, path)
			return path
		},
		"elsewhere with its witness": func(t *testing.T, backup, path string) string {
			overwrite(t, path+"-sqlsync.witness", backup+"-sqlsync.witness")
			return backup
		},
		"elsewhere without": func(_ *testing.T, backup, _ string) string { return backup },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := renewingPair(t, items, cdc.WatchOptions{})
			a.exec(`INSERT INTO items (id, qty) VALUES (1, 1), (2, 1)`)
			converge(t, a, b)
			backup := a.backup()
			a.exec(`INSERT INTO items (id, qty) VALUES (3, 1); UPDATE items SET qty = 2 WHERE id = 1`)
			converge(t, a, b)
			a.shut()
			older := renewingNode(t, 1, putBack(t, backup, a.path), "")
			if older.Author() == older.Node() {
				t.Fatal("it goes on with the chain that it does not know")
			}
			older.exec(`INSERT INTO items (id, qty) VALUES (4, 1)`)
			older.exec(`UPDATE items SET qty = 3 WHERE id = 2`)
			older.seal()
			converge(t, older, b)
			if got := b.text(`SELECT group_concat(id || ':' || qty, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1:2 2:3 3:1 4:1" {
				t.Errorf("rows are %q", got)
			}
			// It is no other copy when it is opened again.
			author := older.Author()
			path := older.path
			older.shut()
			again := renewingNode(t, 1, path, "")
			if again.Author() != author || !again.Mine(author) || !again.Mine(again.Node()) {
				t.Error("it is another author when it is opened again")
			}
			again.exec(`INSERT INTO items (id, qty) VALUES (5, 1)`)
			converge(t, again, b)
		})
	}
}

// A file without a witness that knows is told by its peers: by what they say
// they have, or by what they send.
func TestPeersTellThatAFileIsOlder(t *testing.T) {
	for name, meet := range map[string]func(older, b *node) error{
		"say": func(older, b *node) error {
			v, err := b.Stream(cdc.DefaultDataset).Vector(context.Background())
			if err != nil {
				return err
			}
			return older.Stream(cdc.DefaultDataset).Confirm(context.Background(), b.Node(), v)
		},
		"send": func(older, b *node) error { older.pull(b); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := renewingPair(t, items, cdc.WatchOptions{})
			a.exec(`INSERT INTO items (id) VALUES (1)`)
			converge(t, a, b)
			backup := a.backup()
			a.exec(`INSERT INTO items (id) VALUES (2)`)
			converge(t, a, b)
			o := renewing(1, backup)
			o.Witness = ""
			older := openNodeWith(t, 1, backup, "", o)
			older.exec(`INSERT INTO items (id) VALUES (3)`)
			if err := meet(older, b); err != nil {
				t.Fatal(err)
			}
			if older.Author() == older.Node() {
				t.Error("it goes on with a chain of which it lacks a part")
			}
			converge(t, older, b)
			if got := older.text(`SELECT group_concat(id) FROM items`); got != "1,2,3" {
				t.Errorf("rows are %s", got)
			}
		})
	}
}

// What was marked and not sealed when the backup was made is sealed a second
// time. That is the same row, not another with its id, and what came later stands.
func TestBackupWithPendingMarks(t *testing.T) {
	for _, ids := range []string{"", "rekey"} {
		t.Run("ids "+ids, func(t *testing.T) {
			a, b := renewingPair(t, items, cdc.WatchOptions{IDs: ids})
			a.exec(`INSERT INTO items (id, name) VALUES (1, 'first')`)
			converge(t, a, b)
			a.exec(`INSERT INTO items (id, name) VALUES (2, 'pending'); UPDATE items SET name = 'pending too' WHERE id = 1`)
			backup := a.backup()
			converge(t, a, b)
			a.exec(`UPDATE items SET name = 'later' WHERE id = 2`)
			b.exec(`UPDATE items SET name = 'by b' WHERE id = 1`)
			converge(t, a, b)
			a.shut()
			move(t, backup, a.path)
			older := renewingNode(t, 1, a.path, "")
			older.seal()
			converge(t, older, b)
			if got := older.text(`SELECT group_concat(id || ' ' || name) FROM (SELECT * FROM items ORDER BY id)`); got != "1 by b,2 later" {
				t.Errorf("rows are %q", got)
			}
		})
	}
}

// While the file is open, a backup comes in by SQLite's own means.
func TestPutBackWhileOpen(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{})
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	backup := a.backup()
	a.exec(`INSERT INTO items (id) VALUES (2)`)
	converge(t, a, b)
	ended := make(chan error, 1)
	go func() { ended <- a.Follow(t.Context()) }()
	// What .restore of the sqlite3 program does: every page, in one transaction.
	a.restoreFrom(backup)
	if err := <-ended; !errors.Is(err, cdc.ErrRestored) {
		t.Fatalf("Follow: %v", err)
	}
	if err := a.Seal(t.Context(), cdc.DefaultDataset); !errors.Is(err, cdc.ErrRestored) {
		t.Errorf("Seal: %v", err)
	}
	a.shut()
	again := renewingNode(t, 1, a.path, "")
	again.exec(`INSERT INTO items (id) VALUES (3)`)
	again.seal()
	converge(t, again, b)
	if got := again.text(`SELECT group_concat(id) FROM items`); got != "1,2,3" {
		t.Errorf("rows are %s", got)
	}
}

// A backup of before a rotation of the key is the node's all the same.
func TestBackupOfFormerKey(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{})
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	backup := a.backup()
	next := authorOf(ed25519.NewKeyFromSeed(append(make([]byte, 31), 3)))
	former := a.Node()
	a.exec(`INSERT INTO items (id) VALUES (2)`)
	converge(t, a, b)
	if err := a.Rotate(t.Context(), next.Node); err != nil {
		t.Fatal(err)
	}
	a.shut()
	o := renewing(3, a.path)
	o.Former = []merge.NodeID{former}
	a = openNodeWith(t, 3, a.path, "", o)
	a.exec(`INSERT INTO items (id) VALUES (3)`)
	converge(t, a, b)
	a.shut()
	move(t, backup, a.path)
	a = openNodeWith(t, 3, a.path, "", o)
	if a.Node() != next.Node {
		t.Error("it is not the present key's")
	}
	a.exec(`INSERT INTO items (id) VALUES (4)`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "1,2,3,4" {
		t.Errorf("rows are %s", got)
	}
}

// While the file is open, a backup is copied over it. For a moment there is
// nothing in it.
func TestCopiedOverWhileOpen(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{})
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	backup := a.backup()
	a.exec(`INSERT INTO items (id) VALUES (2)`)
	converge(t, a, b)
	ended := make(chan error, 1)
	go func() { ended <- a.Follow(t.Context()) }()
	shell := func(command string) { // in a process of its own, see package filewatch
		t.Helper()
		if out, err := exec.Command("sh", "-c", command, "sh", a.path, backup).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", command, err, out)
		}
	}
	shell(`: > "$1"`)
	a.until("the empty file to be seen", func() bool { return len(a.Troubles()) > 0 || len(ended) > 0 })
	shell(`cat "$2" > "$1"`)
	if err := <-ended; !errors.Is(err, cdc.ErrRestored) {
		t.Fatalf("Follow: %v", err)
	}
	a.shut()
}

// restoreFrom replaces every page by those of another database.
func (n *node) restoreFrom(path string) {
	n.t.Helper()
	conn, err := n.app.Conn(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		r, err := c.(interface {
			NewRestore(string) (*sqlite.Backup, error)
		}).NewRestore(path)
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = r.Step(-1); err != nil {
				return errors.Join(err, r.Finish())
			}
		}
		return r.Finish()
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// A witness that cannot be read says nothing.
func TestUnreadableWitness(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	a := renewingNode(t, 1, path, items)
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	a.seal()
	a.shut()
	witness := path + "-sqlsync.witness"
	if err := errors.Join(os.Remove(witness), os.Mkdir(witness, 0o755)); err != nil {
		t.Fatal(err)
	}
	again := renewingNode(t, 1, path, "")
	if again.Author() != again.Node() {
		t.Error("it goes on as another author")
	}
}

// What was pending in a backup and adds up is told twice, and by which table.
func TestPutBackTellsWhatCountsTwice(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{Columns: map[string]string{"qty": "counter"}})
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 10)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = qty + 1`)
	backup := a.backup()
	converge(t, a, b)
	a.shut()
	move(t, backup, a.path)
	older := renewingNode(t, 1, a.path, "")
	converge(t, older, b)
	_, why, err := older.Renewed(t.Context())
	if err != nil || !strings.HasSuffix(why, "; changes that were pending may count twice: 1 in items") {
		t.Errorf("renewed because %q, %v", why, err)
	}
	if got := b.text(`SELECT qty FROM items`); got != "12" {
		t.Errorf("qty is %s: nothing counts twice any more, and it need not be told", got)
	}
}

// A copy from before anything was sealed knows least: it is put back, and goes on
// as another author, too.
func TestCopyFromBeforeTheFirstSealPutBack(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{})
	backup := a.backup()
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 1)`)
	converge(t, a, b)
	a.shut()
	overwrite(t, backup, a.path)
	older := renewingNode(t, 1, a.path, "")
	older.exec(`INSERT INTO items (id, qty) VALUES (2, 1)`)
	older.seal()
	if older.Author() == older.Node() {
		t.Error("it gives numbers that were given")
	}
	converge(t, older, b)
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "1,2" {
		t.Errorf("rows are %s", got)
	}
}

// A copy that was made before anything was sealed is another author, too, though
// it has nothing that the original could lack: both seal from then on.
func TestCopyFromBeforeTheFirstSealElsewhere(t *testing.T) {
	a, b := renewingPair(t, items, cdc.WatchOptions{})
	c := renewingNode(t, 1, a.backup(), "")
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 1)`)
	c.exec(`INSERT INTO items (id, qty) VALUES (2, 1)`)
	a.seal()
	c.seal()
	if a.Author() == c.Author() {
		t.Error("both give the same numbers")
	}
	converge(t, a, b, c)
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "1,2" {
		t.Errorf("rows are %s", got)
	}
}
