package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"

	"sqlsync/wire"
)

// FuzzSnapshotFile gives import a file whose checksum is right.
func FuzzSnapshotFile(f *testing.F) {
	var b strings.Builder
	b.WriteString(snapshotMagic)
	w := wire.NewWriter(&b)
	for _, m := range []wire.Message{
		&wire.Schema{Datasets: []string{"primary"}, Tables: []wire.TableSchema{{Name: "t", Create: []string{"CREATE TABLE t (id)"}, Key: []string{"id"}, Policy: "lww"}}},
		&wire.SnapshotPart{Table: "t", Cursor: []byte{1}},
		&wire.SnapshotPart{Table: "t"},
	} {
		if err := w.Write(m); err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte(b.String()))
	f.Add([]byte(snapshotMagic))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "snapshot")
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := blake2b.Sum256(body)
		if err := os.WriteFile(path, append(body, sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		_, found, _, err := (&snapshotImportCmd{File: path}).check()
		if err == nil && (!strings.HasPrefix(string(body), snapshotMagic) || strings.Count(string(body), "") < len(found)) {
			t.Fatalf("%q is a snapshot of %q", body, found)
		}
	})
}
