package crypto

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

func TestDatasetKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db-sqlsync.datasets")
	if keys, err := LoadDatasetKeys(path); len(keys) > 0 || err != nil {
		t.Errorf("of no file: %v, %v", keys, err)
	}
	want := DatasetKeys{"primary": {NewDatasetKey()}, "of the shop": {NewDatasetKey(), NewDatasetKey()}, "ä": {{1}}}
	for name, key := range want {
		for range 2 { // the second changes nothing
			if err := AddDatasetKeys(path, name, key...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if keys, err := LoadDatasetKeys(path); err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("loaded %d keys, %v", len(keys), err)
	}
	if err := AddDatasetKeys(path, "primary", NewDatasetKey()); !errors.Is(err, ErrOtherDatasetKey) {
		t.Errorf("another key: %v", err)
	}
	if text := fmt.Sprintf("%v %x %+v", want["ä"], want["ä"], want); strings.Contains(text, "0100") {
		t.Errorf("printed as %s", text)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("left in the folder: %v, %v", list, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"empty": "", "cut short": string(text[:len(text)-3]), "altered": strings.Replace(string(text), " of the", " of The", 1) + "x",
		"later format": strings.Replace(string(text), "keys-1", "keys-2", 1), "a line behind": string(text) + "\n",
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadDatasetKeys(path); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: %v", name, err)
		}
		if err := AddDatasetKeys(path, "more", NewDatasetKey()); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: written over, %v", name, err)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadDatasetKeys(path); !errors.Is(err, ErrKeyPermissions) {
		t.Errorf("a file open to others: %v", err)
	}
}

func TestForgetDatasetKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := ForgetDatasetKey(path, "primary"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"primary", "other"} {
		if err := AddDatasetKeys(path, name, NewDatasetKey()); err != nil {
			t.Fatal(err)
		}
	}
	if err := ForgetDatasetKey(path, "primary"); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadDatasetKeys(path)
	if _, other := keys["other"]; err != nil || len(keys) != 1 || !other {
		t.Errorf("left are %v, %v", keys.names(), err)
	}
	if err := AddDatasetKeys(path, "primary", NewDatasetKey()); err != nil {
		t.Errorf("another key: %v", err)
	}
}

func fuzzDatasetKeys(_ *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	seed(DatasetKeys{"primary": {{1}, {3}}, "a b": {{2}}}.text())
	seed(nil)
	return func(t *testing.T, text []byte) {
		if keys, err := parseDatasetKeys(string(text)); err == nil && string(keys.text()) != string(text) {
			t.Fatal("written again, the text differs")
		}
	}
}

func TestTicketWithKeys(t *testing.T) {
	for _, keys := range []DatasetKeys{nil, {"primary": {{1}}}, {"primary": {{1}}, "of the shop": {{2}}}, {"primary": {{2}, {1}}, "x": {{3}}}} {
		want := testTicket(t)
		want.Keys = keys
		got, err := ParseTicket(ticketText(t, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		if text := fmt.Sprintf("%v %+v %x", want, want, want); strings.Contains(text, "0100") {
			t.Errorf("printed as %s", text)
		}
	}
}

// Keys are added so that all that was used can be read, and the newest is used.
func TestAddDatasetKeys(t *testing.T) {
	k := func(list ...byte) (keys []DatasetKey) {
		for _, b := range list {
			keys = append(keys, DatasetKey{b})
		}
		return keys
	}
	for _, test := range []struct{ have, more, want []DatasetKey }{
		{nil, k(1, 2), k(1, 2)},
		{k(1), k(1, 2), k(1, 2)},
		{k(1, 2), k(1), k(1, 2)}, // an old text
		{k(2), k(1, 2), k(1, 2)},
		{k(1, 2), k(1, 3), k(1, 2, 3)}, // rotated on two nodes
		{k(1, 3), k(1, 2, 3), k(2, 1, 3)},
		{k(3), k(1, 3, 2), k(1, 3, 2)},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		for _, list := range [][]DatasetKey{test.have, test.more} {
			if len(list) == 0 {
				continue
			}
			if err := AddDatasetKeys(path, "primary", list...); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := LoadDatasetKeys(path); err != nil || !slices.Equal(got["primary"], test.want) {
			t.Errorf("of %d keys and %d came others than wanted, %v", len(test.have), len(test.more), err)
		}
	}
	path := filepath.Join(t.TempDir(), "keys")
	for i := range byte(MaxDatasetKeys) {
		err := AddDatasetKeys(path, "primary", k(0, i+1)...)
		if want := i == MaxDatasetKeys-1; want != errors.Is(err, ErrManyDatasetKeys) {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

func TestDatasetKeysText(t *testing.T) {
	want := DatasetKeys{"primary": {{1}, {2}}}
	text, err := want.Text()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseDatasetKeys(strings.ToUpper(text) + "\n"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parsed %v, %v", got.names(), err)
	}
	for i := range text {
		if _, err := ParseDatasetKeys(text[:i]); !errors.Is(err, ErrBadKeys) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	if _, err := ParseDatasetKeys(ticketText(t, testTicket(t))); !errors.Is(err, ErrBadKeys) {
		t.Errorf("a ticket: %v", err)
	}
}

// fuzzKeysText looks for text that holds keys and is not what Text makes of them.
func fuzzKeysText(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	text, err := DatasetKeys{"primary": {{1}, {2}}}.Text()
	if err != nil {
		f.Fatal(err)
	}
	seed([]byte(text))
	seed([]byte(text[:40]))
	return func(t *testing.T, b []byte) {
		keys, err := ParseDatasetKeys(string(b))
		if err != nil {
			if !errors.Is(err, ErrBadKeys) {
				t.Fatal(err)
			}
			return
		}
		if again, err := keys.Text(); err != nil || again != strings.ToLower(strings.TrimSpace(string(b))) {
			t.Fatalf("%q is also %q, %v", b, again, err)
		}
	}
}

// fuzzKeysBytes is fuzzKeysText past the checksum.
func fuzzKeysBytes(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	try := fuzzKeysText(f, func([]byte) {})
	seed(appendKeys([]byte{datasetKeysTextFormat}, DatasetKeys{"a": {{1}}, "b": {{2}, {3}}}))
	return func(t *testing.T, b []byte) {
		groups, err := bech32.ConvertBits(b, 8, 5, true)
		if err != nil {
			t.Fatal(err)
		}
		text, err := bech32.EncodeM(datasetKeysPrefix, groups)
		if err != nil {
			t.Fatal(err)
		}
		try(t, []byte(text))
	}
}
