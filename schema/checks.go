package schema

import "fmt"

// Constraint is a CHECK of a table.
type Constraint struct {
	// Name is the one it was given, or its number.
	Name string
	// Expr is what must not be false.
	Expr string
}

// Checks lists a table's CHECK constraints, of columns too.
func (t *Table) Checks() []Constraint {
	var list []Constraint
	tokens := scan(t.SQL)
	for i := 0; i+1 < len(tokens); i++ {
		if !tokens[i].is("CHECK") || !tokens[i+1].is("(") {
			continue
		}
		c := Constraint{Name: fmt.Sprintf("CHECK %d", len(list)+1)}
		if i >= 2 && tokens[i-2].is("CONSTRAINT") {
			c.Name = tokens[i-1].name()
		}
		depth, from := 0, tokens[i+1].end
		for i++; i < len(tokens); i++ {
			if tokens[i].is("(") {
				depth++
			} else if tokens[i].is(")") {
				if depth--; depth == 0 {
					break
				}
			}
		}
		if i == len(tokens) {
			return list
		}
		c.Expr = t.SQL[from:tokens[i].start]
		list = append(list, c)
	}
	return list
}
