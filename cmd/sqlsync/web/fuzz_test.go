package web

import (
	"slices"
	"testing"

	"sqlsync/cdc"
)

// FuzzPlaces gives the feed the id that a browser says it had last.
func FuzzPlaces(f *testing.F) {
	f.Add(places([]cdc.Cursor{{Dataset: "primary", Pos: 7, Index: 1}, {Dataset: "a,b%c:d é", Pos: 0}}))
	f.Add("primary:1")
	f.Fuzz(func(t *testing.T, id string) {
		at, err := parsePlaces(id)
		if err != nil {
			return
		}
		if again, err := parsePlaces(places(at)); err != nil || !slices.Equal(again, at) {
			t.Fatalf("%q is %v, and then %v, %v", id, at, again, err)
		}
	})
}
