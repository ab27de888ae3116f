package cdc_test

import (
	"slices"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// writeBlob writes into a stored blob as sqlite3_blob_write does: no trigger
// fires for it (https://sqlite.org/c3ref/blob_open.html).
func writeBlob(t *testing.T, path, table, column string, rowid int64, data string) {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	var texts []uintptr
	defer func() {
		for _, p := range texts {
			libc.Xfree(tls, p)
		}
	}()
	text := func(s string) uintptr {
		p, err := libc.CString(s)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, p)
		return p
	}
	out := tls.Alloc(8)
	defer tls.Free(8)
	handle := func() uintptr { return **(**uintptr)(unsafe.Pointer(&out)) } // out is C's memory
	check := func(what string, rc int32) {
		if rc != sqlite3.SQLITE_OK {
			t.Fatalf("%s: code %d", what, rc)
		}
	}
	check("open", sqlite3.Xsqlite3_open_v2(tls, text(path), out, sqlite3.SQLITE_OPEN_READWRITE, 0))
	db := handle()
	defer sqlite3.Xsqlite3_close(tls, db)
	check("blob_open", sqlite3.Xsqlite3_blob_open(tls, db, text("main"), text(table), text(column), rowid, 1, out))
	blob := handle()
	check("blob_write", sqlite3.Xsqlite3_blob_write(tls, blob, text(data), int32(len(data)), 0))
	check("blob_close", sqlite3.Xsqlite3_blob_close(tls, blob))
}

func TestIncrementalBlobWrite(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, note) VALUES (1, x'00000000'), (2, x'00')`)
	converge(t, a, b)
	writeBlob(t, a.path, "items", "note", 1, "\x01\x02")
	if got := a.verify(); !slices.Equal(got, []string{"differing_row items id=1"}) {
		t.Fatalf("found %q", got)
	}
	a.repair()
	converge(t, a, b)
	if got := b.text(`SELECT hex(note) FROM items WHERE id = 1`); got != "01020000" {
		t.Errorf("the replica has %s", got)
	}
}
