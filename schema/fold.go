package schema

// Fold makes names that SQLite takes for one the same: it knows upper and lower
// case of ASCII letters only, so that É and é are two.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Same reports whether two names are one to SQLite.
func Same(a, b string) bool { return len(a) == len(b) && Fold(a) == Fold(b) }
