package schema

// Calls reports whether SQL calls a function by name. It also says so of a
// table that has the name and a list of columns behind it.
func Calls(text, function string) bool {
	tokens := scan(text)
	for i := 0; i+1 < len(tokens); i++ {
		if tokens[i+1].is("(") && Same(tokens[i].name(), function) {
			return true
		}
	}
	return false
}

// Says reports whether SQL has a word outside of quotes and comments.
func Says(text, word string) bool {
	for _, tok := range scan(text) {
		if tok.is(word) {
			return true
		}
	}
	return false
}

// OnUpdate reports whether the trigger fires for an UPDATE.
func (tr Trigger) OnUpdate() bool {
	for _, tok := range scan(tr.SQL) {
		if tok.is("UPDATE") {
			return true
		}
		if tok.is("ON") {
			break
		}
	}
	return false
}
