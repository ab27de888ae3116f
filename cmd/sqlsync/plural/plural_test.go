package plural_test

import (
	"testing"

	"sqlsync/cmd/sqlsync/plural"
)

func TestOf(t *testing.T) {
	for want, got := range map[string]string{
		"0 rows":        plural.Of(0, "row"),
		"1 row":         plural.Of(1, "row"),
		"2 batches":     plural.Of(int64(2), "batch"),
		"1 batch is":    plural.Are(uint64(1), "batch"),
		"3 batches are": plural.Are(3, "batch"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
