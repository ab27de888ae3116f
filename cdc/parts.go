package cdc

import "iter"

// sizes are the numbers of rows to a statement. Few, so that few statements
// are prepared; large, because most of a statement's cost is per statement.
var sizes = []int{64, 16, 4, 1}

// maxVariables bounds the arguments of one statement; SQLite allows 32,766.
const maxVariables = 16_000

// parts splits rows of width arguments into groups of the sizes above.
func parts[T any](rows []T, width int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for _, n := range sizes {
			if n > 1 && n*width > maxVariables {
				continue
			}
			for len(rows) >= n {
				if !yield(rows[:n:n]) {
					return
				}
				rows = rows[n:]
			}
		}
	}
}
