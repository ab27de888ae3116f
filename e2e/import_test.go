package e2e_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An import that is killed goes on where it was. A trigger of the application
// keeps it busy for ever in the middle.
func TestImportGoesOn(t *testing.T) {
	dir := t.TempDir()
	a, b := newNode(t, dir, "a"), newNode(t, dir, "b")
	app := newOrders(t, a.path)
	insertOrders(t, app, 0, 9000)
	app.Close()
	a.must("watch", "orders")
	file := filepath.Join(dir, "snapshot")
	a.must("snapshot", "export", file)

	app = newOrders(t, b.path)
	defer app.Close()
	for _, q := range []string{
		`CREATE TABLE many (n); CREATE TABLE counted (n)`,
		`WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 1000) INSERT INTO many SELECT i FROM c`,
		`CREATE TRIGGER slow AFTER INSERT ON orders WHEN NEW.id = 5000 BEGIN INSERT INTO counted SELECT count(*) FROM many, many AS b, many AS c, many AS d; END`,
	} {
		execute(t, app, q)
	}
	var said bytes.Buffer
	cmd := exec.Command(binary, "--db", b.path, "snapshot", "import", file)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var rows int
	waitFor(t, "the import to be in the middle", func() bool {
		app.QueryRow(`SELECT count(*) FROM orders`).Scan(&rows)
		return rows == 4000 // two parts
	})
	cmd.Process.Kill()
	cmd.Wait()
	execute(t, app, `DROP TRIGGER slow`)
	_, errs, code := b.run("snapshot", "import", file)
	if code != 0 || !strings.Contains(errs, "primary: going on with an import that was broken off") {
		t.Fatalf("exit %d: %s\nbefore: %s", code, errs, said.String())
	}
	if got, want := b.digest(), a.digest(); got != want {
		t.Errorf("digests are\n%s\nand\n%s", got, want)
	}
	if _, errs, code = b.run("snapshot", "import", file); code != 0 || strings.Contains(errs, "going on") {
		t.Errorf("again: exit %d: %s", code, errs)
	}
	b.must("verify")
}
