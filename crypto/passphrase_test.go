package crypto

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func say(passphrase string) func() (string, error) {
	return func() (string, error) { return passphrase, nil }
}

func TestPassphrase(t *testing.T) {
	id := node(t, clientNode)
	path := filepath.Join(t.TempDir(), "node.key")
	if err := id.SaveProtected(path, "tea for two"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	if err := id.SaveProtected(path, "other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over a file: %v", err)
	}
	if _, err := LoadIdentity(path); !errors.Is(err, ErrProtected) {
		t.Errorf("loaded without passphrase: %v", err)
	}
	for _, wrong := range []string{"", "tea for one"} {
		if _, err := UnlockIdentity(path, say(wrong)); !errors.Is(err, ErrPassphrase) {
			t.Errorf("unlocked with %q: %v", wrong, err)
		}
	}
	got, err := UnlockIdentity(path, say("tea for two"))
	if err != nil || !bytes.Equal(got.text(), id.text()) {
		t.Fatalf("unlocked %v, %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("SQLSYNC-SECRET")) || !bytes.Contains(text, []byte(id.PublicKey().String())) {
		t.Errorf("key file = %s, %v", text, err)
	}
}

func TestReplaceKeyFile(t *testing.T) {
	id := node(t, clientNode)
	dir := t.TempDir()
	path := filepath.Join(dir, "node.key")
	if err := id.Save(path); err != nil {
		t.Fatal(err)
	}
	for _, passphrase := range []string{"first", "second", ""} {
		if err := id.Replace(path, passphrase); err != nil {
			t.Fatal(err)
		}
		if is, err := Protected(path); err != nil || is != (passphrase != "") {
			t.Errorf("protected = %v, %v", is, err)
		}
		if got, err := UnlockIdentity(path, say(passphrase)); err != nil || got.PublicKey() != id.PublicKey() {
			t.Errorf("unlocked %v, %v", got, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Errorf("left in the folder: %v, %v", names, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, id.text()) {
		t.Errorf("without a passphrase again: %q, %v", text, err)
	}
}

func TestDamagedProtectedFiles(t *testing.T) {
	id, other := node(t, clientNode), node(t, serverNode)
	protected, err := id.protectedText("x")
	if err != nil {
		t.Fatal(err)
	}
	text := string(protected)
	letter := "A"
	if text[len(text)-60] == 'A' {
		letter = "B"
	}
	heavy := strings.Index(text, "\n-----BEGIN") + len("\n-----BEGIN AGE ENCRYPTED FILE-----\n")
	for name, damaged := range map[string]string{
		"another's key in front": strings.Replace(text, id.PublicKey().String(), other.PublicKey().String(), 1),
		"nothing sealed":         text[:heavy],
		"cut short":              text[:len(text)-60],
		"altered":                text[:len(text)-60] + letter + text[len(text)-59:],
		"text behind":            text + "x",
		"later format":           strings.Replace(text, "-age\n", "-new\n", 1),
	} {
		path := filepath.Join(t.TempDir(), "node.key")
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := UnlockIdentity(path, say("x")); !errors.Is(err, ErrBadKey) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	path := filepath.Join(t.TempDir(), "node.key")
	if err := os.WriteFile(path, protected, 0o640); err != nil {
		t.Fatal(err)
	}
	ask := func() (string, error) { t.Error("asked"); return "x", nil }
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := UnlockIdentity(path, ask); !errors.Is(err, ErrKeyPermissions) {
		t.Errorf("a file open to others: %v", err)
	}
	if _, err := Protected(path); !errors.Is(err, ErrKeyPermissions) {
		t.Errorf("a file open to others: %v", err)
	}
}
