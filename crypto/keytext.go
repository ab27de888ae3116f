package crypto

import (
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

const (
	datasetKeysPrefix     = "sqlsync-dataset-keys"
	datasetKeysTextFormat = 1
)

// ErrBadKeys is returned for text that holds no keys of a dataset.
var ErrBadKeys = errors.New("not valid keys of a dataset")

// Text returns the keys in bech32m, to be given to who has former ones: a byte for
// the format, 1, and the keys as in a ticket.
func (k DatasetKeys) Text() (string, error) {
	groups, err := bech32.ConvertBits(appendKeys([]byte{datasetKeysTextFormat}, k), 8, 5, true)
	if err != nil {
		return "", fmt.Errorf("encode dataset keys: %w", err)
	}
	text, err := bech32.EncodeM(datasetKeysPrefix, groups)
	if err == nil && len(text) > maxTicket {
		err = errors.New("they are too many")
	}
	if err != nil {
		return "", fmt.Errorf("encode dataset keys: %w", err)
	}
	return text, nil
}

// ParseDatasetKeys reads what [DatasetKeys.Text] returns, in lower or upper case.
// Any error is [ErrBadKeys]; it repeats nothing of s.
func ParseDatasetKeys(s string) (DatasetKeys, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxTicket {
		return nil, fmt.Errorf("%w: it is too long: copy it again", ErrBadKeys)
	}
	prefix, groups, version, err := bech32.DecodeNoLimitWithVersion(s)
	if err != nil || version != bech32.VersionM || prefix != datasetKeysPrefix {
		return nil, fmt.Errorf("%w: it does not begin with %q, or its checksum does not match: copy it again, in full", ErrBadKeys, datasetKeysPrefix+"1")
	}
	b, err := bech32.ConvertBits(groups, 5, 8, false)
	if err != nil || len(b) == 0 || b[0] != datasetKeysTextFormat {
		return nil, fmt.Errorf("%w: use the version of sqlsync that made it", ErrBadKeys)
	}
	keys, rest, ok := decodeKeys(b[1:])
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("%w: it is cut short or has too much", ErrBadKeys)
	}
	return keys, nil
}
