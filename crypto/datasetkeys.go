package crypto

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

const (
	datasetKeysFormat  = "sqlsync-dataset-keys-1"
	datasetKeysComment = "# keys of private datasets: whoever has them can read what is passed on"
	datasetPrefix      = "sqlsync-dataset-key-"

	// maxDatasetKeys is the length of the longest file that LoadDatasetKeys reads.
	maxDatasetKeys = 1 << 18
)

// DatasetKey is what the members of a private dataset share: 256 random bits.
type DatasetKey [32]byte

// NewDatasetKey makes a key.
func NewDatasetKey() (k DatasetKey) {
	rand.Read(k[:]) // it never fails
	return k
}

// Format prints no key, whatever the verb.
func (k DatasetKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "dataset key") }

// DatasetKeys are keys by the names of their datasets.
type DatasetKeys map[string]DatasetKey

func (k DatasetKeys) names() []string { return slices.Sorted(maps.Keys(k)) }

// ErrOtherDatasetKey says that a dataset of that name has another key here.
var ErrOtherDatasetKey = errors.New("the dataset has another key here")

// LoadDatasetKeys reads a file that [AddDatasetKey] wrote, as LoadIdentity does
// its own. A missing file holds no keys.
func LoadDatasetKeys(path string) (DatasetKeys, error) {
	text, err := readSecrets(path, maxDatasetKeys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load dataset keys: %w", err)
	}
	keys, err := parseDatasetKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("load dataset keys: %s: %w", path, err)
	}
	return keys, nil
}

func parseDatasetKeys(text string) (DatasetKeys, error) {
	keys := make(DatasetKeys)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		key, name, ok := strings.Cut(line, " ")
		if i < 2 {
			continue
		}
		k, err := decodeKey(datasetPrefix, key)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: line %d is damaged: put back a copy of the file", ErrBadKey, i+1)
		}
		keys[name] = DatasetKey(k)
	}
	if string(keys.text()) != text {
		return nil, fmt.Errorf("%w: the file is damaged, or of a newer sqlsync: put back a copy of it", ErrBadKey)
	}
	return keys, nil
}

func (k DatasetKeys) text() []byte {
	b := fmt.Appendf(nil, "%s\n%s\n", datasetKeysComment, datasetKeysFormat)
	for _, name := range k.names() {
		b = fmt.Appendf(b, "%s %s\n", strings.ToUpper(encodeKey(datasetPrefix, k[name])), name)
	}
	return b
}

// AddDatasetKey adds a key to a file that only its owner can open, which is made
// where there is none, durably and all or nothing. The same key again is fine,
// another for the dataset [ErrOtherDatasetKey].
func AddDatasetKey(path, dataset string, key DatasetKey) error {
	keys, err := LoadDatasetKeys(path)
	if err != nil {
		return err
	}
	switch have, ok := keys[dataset]; {
	case ok && have == key:
		return nil
	case ok:
		return fmt.Errorf("%w: %q", ErrOtherDatasetKey, dataset)
	case keys == nil:
		keys = make(DatasetKeys)
	}
	keys[dataset] = key
	return keys.save(path)
}

// ForgetDatasetKey removes a dataset's key from a file, as durably. Whatever it
// has encrypted cannot be read here any more.
func ForgetDatasetKey(path, dataset string) error {
	keys, err := LoadDatasetKeys(path)
	if err != nil {
		return err
	}
	if _, ok := keys[dataset]; !ok {
		return nil
	}
	delete(keys, dataset)
	return keys.save(path)
}

func (k DatasetKeys) save(path string) error {
	if err := writeOver(path, k.text()); err != nil {
		return fmt.Errorf("save dataset keys: %w", err)
	}
	return nil
}
