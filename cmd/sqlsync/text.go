package main

import (
	"fmt"
	"sqlsync/cdc"
	"sqlsync/schema"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// timeLayout is how times are written, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// cell is a name as a grid can hold it: quoted where a line break or a tab
// would break the grid, or a terminal would do something else than print it.
func cell(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// cells is cell for a list in one place of a grid, listed for one in a sentence.
func cells(names []string) string  { return joinCells(names, ",") }
func listed(names []string) string { return joinCells(names, ", ") }

func joinCells(names []string, between string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = cell(n)
	}
	return strings.Join(list, between)
}

// cut shortens a text to about n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// oneLine is a message without line breaks and whatever else a terminal would not
// print but do, since peers name tables and columns, and without a part that says
// the same as the one before it.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\r' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, s)
	parts := strings.Split(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "), ": ")
	out := parts[:1]
	for _, p := range parts[1:] {
		if p != out[len(out)-1] {
			out = append(out, p)
		}
	}
	return strings.Join(out, ": ")
}

// suggest begins a hint about a name that is not there with those that may have
// been meant.
func suggest(name string, names []string) string {
	near := schema.Nearest(names, name)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, " or ") + "? "
}

// noDataset is the error of a dataset that is not there.
func noDataset(name string, names []string) error {
	if len(names) == 0 {
		return hint(fmt.Errorf("%w: %q", cdc.ErrNoDataset, name), "sqlsync watch TABLE --dataset makes one")
	}
	return hint(fmt.Errorf("%w: %q", cdc.ErrNoDataset, name), "%sthe datasets are: %s", suggest(name, names), strings.Join(names, ", "))
}
