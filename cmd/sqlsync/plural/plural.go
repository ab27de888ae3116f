// Package plural counts things in English.
package plural

import (
	"fmt"
	"strings"
)

// Of is a number with its noun: "1 row", "3 batches".
func Of[N int | int64 | uint64](n N, noun string) string {
	if n != 1 {
		noun = many(noun)
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Are is Of with its verb: "1 row is", "3 rows are".
func Are[N int | int64 | uint64](n N, noun string) string {
	return Of(n, noun) + " " + Choose(n, "is", "are")
}

// Choose is what follows one, or more.
func Choose[N int | int64 | uint64](n N, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func many(noun string) string {
	if strings.HasSuffix(noun, "ch") {
		return noun + "es"
	}
	return noun + "s"
}
