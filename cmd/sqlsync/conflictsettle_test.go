package main

import (
	"errors"
	"slices"
	"testing"

	"sqlsync/cdc"
)

// The start of a conflict's id will do where it is that of one.
func TestConflictsByTheStartOfTheirIDs(t *testing.T) {
	list := []cdc.Conflict{{ID: "cb0eef2e6721"}, {ID: "cb0e1f2e6721"}, {ID: "0123456789ab"}}
	ids, err := conflictIDs(list, []string{"cb0ee", "0123", "cb0eef2e6721", "0123456789ab"})
	if want := []string{"cb0eef2e6721", "0123456789ab"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("%v, %v; want %v", ids, err, want)
	}
	for _, start := range []string{"", "cb0", "012", "ffff", "0123456789abc"} {
		if id, err := conflictID(list, start); !errors.Is(err, cdc.ErrNoConflict) {
			t.Errorf("%q: %q, %v", start, id, err)
		}
	}
	if _, err := conflictID(list, "cb0e"); err == nil || err.Error() != `the ids of 2 conflicts begin with "cb0e"` {
		t.Errorf("two at once: %v", err)
	}
}

// A column that is NULL on both sides is not shown, one that is on one side is.
func TestImagesBesideEachOther(t *testing.T) {
	kept := row{{"a", int64(1)}, {"b", nil}, {"c", nil}}
	lost := row{{"a", int64(2)}, {"b", "x"}, {"c", nil}}
	if got, want := kept.beside(lost).String(), "a=1 b=NULL"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := lost.beside(kept).String(), "a=2 b='x'"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := (row{{"c", nil}}).beside(nil).String(), "c=NULL"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
