package crypto

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	keyFormat  = "sqlsync-key-1"
	keyFormat2 = "sqlsync-key-2" // with the secrets of former keys behind
	keyComment = "# secret key of "

	// maxKeyFile is far more than a key file has.
	maxKeyFile = 4096
)

// LoadIdentity reads a file that [Identity.Save] wrote. It refuses one that other
// users can open ([ErrKeyPermissions]), that is no regular file, or that has one
// byte more or less than it should ([ErrBadKey]). A missing file is fs.ErrNotExist,
// one with a passphrase [ErrProtected].
func LoadIdentity(path string) (*Identity, error) {
	text, err := readSecrets(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	if _, ok := sealedPart(text); ok {
		return nil, fmt.Errorf("load identity: %s: %w", path, ErrProtected)
	}
	id, err := parseIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("load identity: %s: %w", path, err)
	}
	return id, nil
}

// Save writes the identity to a new file that only its owner can open, durably and
// all or nothing. A file that is there already is left alone: fs.ErrExist.
func (id *Identity) Save(path string) error {
	if err := writeNew(path, id.text()); err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// text is the file: whose key it is, for people; the format; the seed, and those
// of former keys. Upper case, as in age, makes a secret look like none of the keys
// that are passed around.
func (id *Identity) text() []byte {
	format := keyFormat
	if len(id.former) > 0 {
		format = keyFormat2
	}
	b := fmt.Appendf(nil, "%s%s\n%s\n", keyComment, id.public, format)
	for _, x := range append([]*Identity{id}, id.former...) {
		b = fmt.Appendf(b, "%s\n", strings.ToUpper(encodeKey(secretPrefix, [ed25519.SeedSize]byte(x.private.Seed()))))
	}
	return b
}

func parseIdentity(text []byte) (*Identity, error) {
	const remedy = "put back a copy of the file; without one, this identity is lost"
	lines := strings.Split(string(text), "\n")
	if len(lines) > 1 && strings.HasPrefix(lines[0], "#") && lines[1] != keyFormat && lines[1] != keyFormat2 {
		return nil, fmt.Errorf("%w: the key file's format is not %s: use the version of sqlsync that wrote it",
			ErrBadKey, keyFormat)
	}
	if len(lines) < 4 || len(lines) > 4+maxFormer {
		return nil, fmt.Errorf("%w: a key file has 3 lines, or more after a rotation; this one is damaged: %s", ErrBadKey, remedy)
	}
	var list []*Identity
	for _, line := range lines[2 : len(lines)-1] {
		seed, err := decodeKey(secretPrefix, line)
		if err != nil {
			return nil, fmt.Errorf("%w (the key file is damaged: %s)", err, remedy)
		}
		list = append(list, identityFromSeed(seed))
	}
	id := list[0]
	id.former = list[1:]
	if !bytes.Equal(id.text(), text) {
		return nil, fmt.Errorf("%w: the key file is damaged, its lines do not fit together: %s", ErrBadKey, remedy)
	}
	return id, nil
}

// readSecrets reads a file that only its owner can open, of so many bytes at most.
func readSecrets(path string, most int64) ([]byte, error) {
	// Before opening: a pipe would block.
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file: name the key file itself", ErrBadKey, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, opened) {
		return nil, fmt.Errorf("%w: %s was replaced while it was opened: try again", ErrBadKey, path)
	}
	// Windows has no such bits; there the folder's access list decides.
	if mode := opened.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: %s has mode %04o: run chmod 600 on it", ErrKeyPermissions, path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%w: %s is too long for a key file: name another", ErrBadKey, path)
	}
	return text, nil
}

func writeNew(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".sqlsync-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.Remove(f.Name()))
		if err == nil {
			err = syncFolder(dir)
		}
	}()
	if err := writeSynced(f, text); err != nil {
		return err
	}
	// A link, unlike a rename, fails when the name is taken.
	switch err := os.Link(f.Name(), path); {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return writeUnlinked(path, text)
}

// writeUnlinked is for file systems without hard links. Cut off half-way, it leaves
// a file that LoadIdentity refuses.
func writeUnlinked(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := writeSynced(f, text); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func writeSynced(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder makes a new name in dir durable. Windows cannot, and does it itself.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
