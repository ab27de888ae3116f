package crypto

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestDatasetKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db-sqlsync.datasets")
	if keys, err := LoadDatasetKeys(path); len(keys) > 0 || err != nil {
		t.Errorf("of no file: %v, %v", keys, err)
	}
	want := DatasetKeys{"primary": NewDatasetKey(), "of the shop": NewDatasetKey(), "ä": {1}}
	for name, key := range want {
		for range 2 { // the second changes nothing
			if err := AddDatasetKey(path, name, key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if keys, err := LoadDatasetKeys(path); err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("loaded %d keys, %v", len(keys), err)
	}
	if err := AddDatasetKey(path, "primary", NewDatasetKey()); !errors.Is(err, ErrOtherDatasetKey) {
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
		if err := AddDatasetKey(path, "more", NewDatasetKey()); !errors.Is(err, ErrBadKey) {
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
		if err := AddDatasetKey(path, name, NewDatasetKey()); err != nil {
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
	if err := AddDatasetKey(path, "primary", NewDatasetKey()); err != nil {
		t.Errorf("another key: %v", err)
	}
}

func fuzzDatasetKeys(_ *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	seed(DatasetKeys{"primary": {1}, "a b": {2}}.text())
	seed(nil)
	return func(t *testing.T, text []byte) {
		if keys, err := parseDatasetKeys(string(text)); err == nil && string(keys.text()) != string(text) {
			t.Fatal("written again, the text differs")
		}
	}
}

func TestTicketWithKeys(t *testing.T) {
	for _, keys := range []DatasetKeys{nil, {"primary": {1}}, {"primary": {1}, "of the shop": {2}}} {
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
