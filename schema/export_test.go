package schema

import "testing"

// CheckTokens checks what holds of the tokens of any text.
func CheckTokens(t *testing.T, text string) {
	last := 0
	for _, tok := range scan(text) {
		if tok.start < last || tok.end <= tok.start || tok.end > len(text) || text[tok.start:tok.end] != tok.text {
			t.Fatalf("token %+v after %d in %q", tok, last, text)
		}
		tok.name()
		last = tok.end
	}
	indexParts(text)
}
