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

// DatasetKeys are keys by the names of their datasets, those of one from the oldest
// to the one that is used now.
type DatasetKeys map[string][]DatasetKey

// MaxDatasetKeys is how many keys a dataset has at most, former ones included.
const MaxDatasetKeys = 16

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
		keys[name] = append(keys[name], DatasetKey(k))
	}
	if string(keys.text()) != text {
		return nil, fmt.Errorf("%w: the file is damaged, or of a newer sqlsync: put back a copy of it", ErrBadKey)
	}
	return keys, nil
}

func (k DatasetKeys) text() []byte {
	b := fmt.Appendf(nil, "%s\n%s\n", datasetKeysComment, datasetKeysFormat)
	for _, name := range k.names() {
		for _, key := range k[name] {
			b = fmt.Appendf(b, "%s %s\n", strings.ToUpper(encodeKey(datasetPrefix, key)), name)
		}
	}
	return b
}

// AddDatasetKeys adds a dataset's keys, as DatasetKeys has them, to a file that only
// its owner can open, which is made where there is none, durably and all or
// nothing. The last of them is used from then on, unless it was known already.
// Where there are keys of the dataset and none of them is the same, it is
// [ErrOtherDatasetKey].
func AddDatasetKeys(path, dataset string, more ...DatasetKey) error {
	keys, err := LoadDatasetKeys(path)
	if err != nil {
		return err
	}
	have := keys[dataset]
	if len(have) > 0 && !slices.ContainsFunc(more, func(k DatasetKey) bool { return slices.Contains(have, k) }) {
		return fmt.Errorf("%w: %q", ErrOtherDatasetKey, dataset)
	}
	news := slices.DeleteFunc(slices.Clone(more), func(k DatasetKey) bool { return slices.Contains(have, k) })
	switch n := len(news); {
	case n == 0:
		return nil
	case n > 0 && news[n-1] == more[len(more)-1]: // the rest are former ones
		have = slices.Concat(news[:n-1], have, news[n-1:])
	default:
		have = slices.Concat(news, have)
	}
	if len(have) > MaxDatasetKeys {
		return fmt.Errorf("add keys of %q: %w", dataset, ErrManyDatasetKeys)
	}
	if keys == nil {
		keys = make(DatasetKeys)
	}
	keys[dataset] = have
	return keys.save(path)
}

// ErrManyDatasetKeys says that a dataset has had as many keys as it may.
var ErrManyDatasetKeys = fmt.Errorf("a dataset has at most %d keys", MaxDatasetKeys)

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
