package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// protectedFormat is a key file whose third line begins an armored age file
// (https://age-encryption.org/v1, with a scrypt recipient) of the key file that it
// would be without a passphrase.
const protectedFormat = "sqlsync-key-1-age"

// workFactor is scrypt's log N: 64 MiB and a quarter of a second, for every verb,
// on tills too. maxWorkFactor is what a file may ask for.
const (
	workFactor    = 16
	maxWorkFactor = 20
)

var (
	// ErrProtected is returned by LoadIdentity for a file that has a passphrase.
	ErrProtected = errors.New("key file has a passphrase")

	// ErrPassphrase is returned for a wrong passphrase, and for an empty one.
	ErrPassphrase = errors.New("wrong passphrase")
)

// Protected reports whether a key file has a passphrase. Like LoadIdentity it
// refuses what is no key file or open to others.
func Protected(path string) (bool, error) {
	text, err := readSecrets(path, maxKeyFile)
	if err != nil {
		return false, fmt.Errorf("load identity: %w", err)
	}
	_, ok := sealedPart(text)
	return ok, nil
}

// UnlockIdentity is LoadIdentity for a file that may have a passphrase; it then
// asks for that, once.
func UnlockIdentity(path string, ask func() (string, error)) (*Identity, error) {
	text, err := readSecrets(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	if sealed, ok := sealedPart(text); ok {
		passphrase, err := ask()
		if err != nil {
			return nil, err
		}
		comment, _, _ := bytes.Cut(text, []byte("\n"))
		if text, err = openKeyFile(sealed, passphrase); err != nil {
			return nil, fmt.Errorf("load identity: %s: %w", path, err)
		}
		if !bytes.HasPrefix(text, append(comment, '\n')) {
			return nil, fmt.Errorf("load identity: %s: %w: its first line names another key", path, ErrBadKey)
		}
	}
	id, err := parseIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("load identity: %s: %w", path, err)
	}
	return id, nil
}

// SaveProtected is Save with a passphrase.
func (id *Identity) SaveProtected(path, passphrase string) error {
	text, err := id.protectedText(passphrase)
	if err == nil {
		err = writeNew(path, text)
	}
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// Replace puts the identity's file in the place of the one at path, durably and
// all or nothing. An empty passphrase is none.
func (id *Identity) Replace(path, passphrase string) error {
	text := id.text()
	var err error
	if passphrase != "" {
		text, err = id.protectedText(passphrase)
	}
	if err == nil {
		err = writeOver(path, text)
	}
	if err != nil {
		return fmt.Errorf("replace key file: %w", err)
	}
	return nil
}

func (id *Identity) protectedText(passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(workFactor)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%s\n%s\n", keyComment, id.public, protectedFormat)
	armored := armor.NewWriter(&b)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(id.text()); err != nil {
		return nil, err
	}
	err = errors.Join(w.Close(), armored.Close())
	return b.Bytes(), err
}

// sealedPart returns what follows the first two lines of a protected file.
func sealedPart(text []byte) ([]byte, bool) {
	lines := bytes.SplitN(text, []byte("\n"), 3)
	if len(lines) < 3 || !strings.HasPrefix(string(lines[0]), keyComment) || string(lines[1]) != protectedFormat {
		return nil, false
	}
	return lines[2], true
}

func openKeyFile(sealed []byte, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identity)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrPassphrase
	}
	if err == nil {
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(r, maxKeyFile)); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%w: the key file is damaged: %w", ErrBadKey, err)
}

func writeOver(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".sqlsync-key-*") // mode 0600
	if err != nil {
		return err
	}
	if err := writeSynced(f, text); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

// KeyOfFile returns the public key that a key file names in its first line, with
// or without a passphrase. Nothing proves that it is right.
func KeyOfFile(path string) (PublicKey, error) {
	text, err := readSecrets(path, maxKeyFile)
	if err != nil {
		return PublicKey{}, fmt.Errorf("read key file: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	key, err := ParsePublicKey(strings.TrimPrefix(first, keyComment))
	if err != nil {
		return key, fmt.Errorf("read key file: %s: %w", path, err)
	}
	return key, nil
}
