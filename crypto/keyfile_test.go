package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const keyFileGolden = "testdata/key.golden"

func TestKeyFileRoundTrip(t *testing.T) {
	id := identityFromSeed([32]byte(unhex(t, rfcSeed)))
	path := filepath.Join(t.TempDir(), "node.key")
	if err := id.Save(path); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(keyFileGolden)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("key file = %q, %v, want %q", got, err, want)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	loaded, err := LoadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.PublicKey() != id.PublicKey() || !bytes.Equal(loaded.text(), want) {
		t.Error("the loaded identity is another")
	}
}

func TestSaveKeepsWhatIsThere(t *testing.T) {
	for name, write := range map[string]func(string, []byte) error{"linked": writeNew, "unlinked": writeUnlinked} {
		dir := t.TempDir()
		path := filepath.Join(dir, "node.key")
		if err := write(path, []byte("first")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := write(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: error = %v, want fs.ErrExist", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
			t.Errorf("%s: file = %q, %v", name, got, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Errorf("%s: left in the folder: %v, %v", name, names, err)
		}
	}
	if err := node(t, 1).Save(filepath.Join(t.TempDir(), "none", "node.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: error = %v", err)
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := LoadIdentity(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want fs.ErrNotExist", err)
	}
}

func TestLoadOpenToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	path := filepath.Join(t.TempDir(), "node.key")
	if err := node(t, 1).Save(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o644, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadIdentity(path)
		if !errors.Is(err, ErrKeyPermissions) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: error = %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(path); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

func TestLoadNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "node.key"), filepath.Join(dir, "link.key")
	if err := node(t, 1).Save(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{link, dir} {
		if _, err := LoadIdentity(path); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: error = %v", path, err)
		}
	}
}

func TestLoadDamaged(t *testing.T) {
	good := node(t, 1).text()
	secret := strings.Split(string(good), "\n")[2]
	path := filepath.Join(t.TempDir(), "node.key")
	check := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadIdentity(path)
		if !errors.Is(err, ErrBadKey) {
			t.Errorf("%q: error = %v", text, err)
		} else if strings.Contains(err.Error(), secret[20:30]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	for i := range good {
		check(good[:i])
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			check(bad)
		}
	}
	check(append(bytes.Clone(good), '\n'))
	check(append(bytes.Clone(good), good...))
	check(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	check(bytes.Replace(good, []byte(keyFormat), []byte("sqlsync-key-2"), 1))
	check(bytes.Repeat([]byte("#"), 2*maxKeyFile))
}

func TestIdentityNeverPrintsItsSecret(t *testing.T) {
	id := node(t, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(format, id); got != "identity of "+id.PublicKey().String() {
			t.Errorf("%s prints %q", format, got)
		}
	}
}

func TestNewIdentity(t *testing.T) {
	a, errA := NewIdentity(nil)
	b, errB := NewIdentity(nil)
	if errA != nil || errB != nil || a.PublicKey() == b.PublicKey() {
		t.Errorf("two new identities: %v %v, %v %v", a, errA, b, errB)
	}
	if _, err := NewIdentity(strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v", err)
	}
}

func fuzzIdentity(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	seed(node(f, 1).text())
	return func(t *testing.T, text []byte) {
		id, err := parseIdentity(text)
		if err != nil {
			if !errors.Is(err, ErrBadKey) {
				t.Fatalf("error %v is not ErrBadKey", err)
			}
			return
		}
		if !bytes.Equal(id.text(), text) {
			t.Fatalf("%q reads as %q", text, id.text())
		}
	}
}
