package shell

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// keywords are SQLite's own, as the linked library lists them.
func (c *conn) keywords() []string {
	words := make([]string, sqlite3.Xsqlite3_keyword_count(c.tls))
	length := c.out + pointerSize
	for i := range words {
		sqlite3.Xsqlite3_keyword_name(c.tls, int32(i), c.out, length)
		n := binary.NativeEndian.Uint32(libc.GoBytes(length, 4))
		words[i] = string(libc.GoBytes(pointerAt(c.out), int(n)))
	}
	slices.Sort(words)
	return words
}

// complete proposes what the word before the cursor may become. head and tail
// are what stays around it. A table that cannot be read proposes nothing: a
// message would tear the line that is being typed.
func (s *session) complete(before, after string) (head string, words []string, tail string) {
	start := len(before)
	for start > 0 && (isWord(before[start-1]) || before[start-1] == '.') {
		start--
	}
	if strings.HasPrefix(before, ".") {
		return s.completeCommand(before, after)
	}
	head, word := before[:start], before[start:]
	if table, column, ok := cutLast(word, "."); ok {
		return head + table + ".", s.completeColumn(table, column), after
	}
	if word == "" {
		return head, nil, after
	}
	tables, _ := s.tables("%")
	columns, _ := s.columns("")
	words = matching(word, quoted(tables), quoted(columns))
	for _, k := range matching(word, s.c.keywords()) {
		if word == strings.ToLower(word) {
			k = strings.ToLower(k)
		}
		if !slices.Contains(words, k) {
			words = append(words, k)
		}
	}
	return head, words, after
}

// completeColumn takes a name that is no table for an alias of any of them.
func (s *session) completeColumn(table, column string) []string {
	names, err := s.columns(strings.Trim(table, "\"`[]"))
	if err != nil || len(names) == 0 {
		names, _ = s.columns("")
	}
	return matching(column, quoted(names))
}

func (s *session) completeCommand(before, after string) (string, []string, string) {
	name, arg, ok := cutLast(before, " ")
	if !ok {
		var names []string
		for _, c := range commands {
			names = append(names, "."+c.name)
		}
		return "", matching(before, names), after
	}
	var words []string
	c, err := findCommand(strings.TrimSpace(strings.TrimPrefix(name, ".")))
	if err != nil {
		return before, nil, after
	}
	switch c.name {
	case "mode":
		words = modes
	case "all", "headers":
		words = []string{"off", "on"}
	case "tables", "schema":
		words, _ = s.tables("%")
	case "help":
		for _, c := range commands {
			words = append(words, c.name)
		}
	case "read":
		words, _ = filepath.Glob(arg + "*")
	}
	return name + " ", matching(arg, words), after
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// matching are the words that begin with prefix, whatever their case, in order
// and once each.
func matching(prefix string, lists ...[]string) []string {
	var found []string
	for _, list := range lists {
		for _, w := range list {
			bare := strings.TrimPrefix(w, `"`)
			if len(bare) >= len(prefix) && strings.EqualFold(bare[:len(prefix)], prefix) && !slices.Contains(found, w) {
				found = append(found, w)
			}
		}
	}
	return found
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = nameWord(n)
		if db, table, ok := strings.Cut(n, "."); ok && plainName(db) && plainName(table) {
			out[i] = n
		}
	}
	return out
}

// nameWord is a name as it has to be typed.
func nameWord(n string) string {
	if plainName(n) {
		return n
	}
	return quoteName(n)
}

func plainName(n string) bool {
	for i := range len(n) {
		if !isWord(n[i]) || n[i] == '$' || i == 0 && '0' <= n[i] && n[i] <= '9' {
			return false
		}
	}
	return n != ""
}
