//go:build !cgo

package oldlib_test

import (
	"errors"
	"testing"
)

const haveOld = false

func runOld(string, []string) (rows, errs []string, err error) {
	return nil, nil, errors.New("built without cgo")
}

func TestJournalModes(t *testing.T) { writers[0].need(t) }
