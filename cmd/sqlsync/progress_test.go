package main

import "testing"

func TestBar(t *testing.T) {
	for _, c := range []struct {
		part float64
		want string
	}{
		{0, "7 changes"},
		{0.5, "[###############---------------]  50%  7 changes"},
		{1, "[##############################] 100%  7 changes"},
	} {
		if got := bar(c.part, 7); got != c.want {
			t.Errorf("%v: %q", c.part, got)
		}
	}
}
