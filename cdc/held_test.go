package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

// kinds returns the kinds of a node's conflicts, in their order.
func (n *node) kinds() (list string) {
	for _, c := range n.conflicts() {
		list += c.Kind + " "
	}
	return list
}

func TestUpdateThatLosesToTheDeleteOfAWholeRowIsListed(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, items)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Policy: "row"}, "items")
	}
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 8`)
	a.seal()
	b.exec(`DELETE FROM items`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.kinds(); got != "row " {
			t.Errorf("conflicts are %q, want the update", got)
		}
	}
}

// An application cannot see a held row: what it inserts under that key is
// another row, and the held one is listed wherever it was.
func TestHeldRowWhoseKeyIsTaken(t *testing.T) {
	for name, insert := range map[string]string{"next id": `INSERT INTO users (mail, note) VALUES ('new', 'n')`, "other value": `INSERT INTO users VALUES (2, 'y', 'n')`} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, note)`, "users")
			a.exec(`INSERT INTO users VALUES (1, 'x', 'a')`)
			a.seal()
			b.exec(`INSERT INTO users VALUES (2, 'x', 'b')`)
			converge(t, a, b)
			b.exec(insert)
			converge(t, a, b)
			a.exec(`UPDATE users SET mail = 'free' WHERE id = 1`)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				list := n.conflicts()
				if len(list) != 1 || list[0].Kind != "key" {
					t.Fatalf("conflicts are %+v", list)
				}
				if v := valueOf(list[0].Loser, "note"); v != "b" {
					t.Errorf("what is listed as lost has note %v", v)
				}
			}
			if x, y := a.conflicts()[0].ID, b.conflicts()[0].ID; x != y {
				t.Errorf("the conflict is %s here and %s there", x, y)
			}
		})
	}
}

// One that is inserted as it was is the row again.
func TestHeldRowThatIsBroughtBack(t *testing.T) {
	a, b := pair(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`, "users")
	a.exec(`INSERT INTO users VALUES (1, 'x')`)
	a.seal()
	b.exec(`INSERT INTO users VALUES (2, 'x')`)
	converge(t, a, b)
	b.exec(`DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (2, 'x')`)
	converge(t, a, b)
	if got := a.kinds() + b.kinds(); got != "" {
		t.Errorf("conflicts are %q, though every row is there", got)
	}
}

func TestHeldRowThatLosesItsKeyIsListed(t *testing.T) {
	const schema = `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`
	a, b := pair(t, schema, "users")
	c := newNode(t, 3, schema)
	c.watch(cdc.WatchOptions{}, "users")
	a.exec(`INSERT INTO users VALUES (1, 'x')`)
	a.seal()
	b.exec(`INSERT INTO users VALUES (2, 'x')`)
	b.seal()
	c.exec(`INSERT INTO users VALUES (2, 'y')`)
	a.pull(b)
	converge(t, a, b, c)
	for _, n := range []*node{a, b, c} {
		if got := n.kinds(); got != "key " {
			t.Errorf("conflicts are %q, want b's row under one key with c's", got)
		}
	}
}

func TestHeldRowComesBackAsItsKeyWasSpelledLast(t *testing.T) {
	for name, respell := range map[string][]string{
		"updated":  {`UPDATE tags SET name = 'X'`},
		"replaced": {`DELETE FROM tags`, `INSERT INTO tags VALUES ('X', 1)`},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, `CREATE TABLE tags (name TEXT PRIMARY KEY COLLATE NOCASE, v UNIQUE)`, "tags")
			a.exec(`INSERT INTO tags VALUES ('a', 1)`)
			a.seal()
			b.exec(`INSERT INTO tags VALUES ('x', 1)`)
			a.pull(b)
			for _, q := range respell {
				b.exec(q)
				a.pull(b)
			}
			a.exec(`DELETE FROM tags WHERE name = 'a'`)
			converge(t, a, b)
			a.exec(`UPDATE tags SET v = v`) // metadata agrees
			a.exec(`DELETE FROM tags`)
			converge(t, a, b)
			if got := b.text(`SELECT count(*) FROM tags`); got != "0" {
				t.Errorf("%s rows are left", got)
			}
			if got := a.kinds() + b.kinds(); got != "" {
				t.Errorf("conflicts are %q", got)
			}
		})
	}
}

// A row that was written where capture did not see it, and is held, is not in
// its own way.
func TestHeldRowThatCameBackUnseen(t *testing.T) {
	a, b := pair(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`, "users")
	a.exec(`INSERT INTO users VALUES (1, 'x')`)
	a.seal()
	b.exec(`INSERT INTO users VALUES (2, 'x')`)
	converge(t, a, b)
	capture := b.text(`SELECT group_concat(sql, ';') FROM sqlite_master WHERE type = 'trigger'`)
	b.exec(`BEGIN; DROP TRIGGER sqlsync_1_insert; DROP TRIGGER sqlsync_1_update; DROP TRIGGER sqlsync_1_rekey;
		DROP TRIGGER sqlsync_1_delete; DROP TRIGGER sqlsync_1_displace_insert; DROP TRIGGER sqlsync_1_displace_update;
		UPDATE users SET mail = 'z'; INSERT INTO users VALUES (2, 'x'); ` + capture + `; COMMIT`)
	a.exec(`INSERT INTO users VALUES (3, 'y')`)
	b.pull(a)
	b.exec(`UPDATE users SET mail = mail`)
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(id || mail) FROM (SELECT * FROM users ORDER BY id)`); got != "1z,2x,3y" {
		t.Errorf("users are %q", got)
	}
}

// valueOf is a named value of a list of them, nil if it is not there.
func valueOf(list []cdc.NamedValue, name string) any {
	for _, v := range list {
		if v.Name == name {
			return v.Value
		}
	}
	return nil
}
