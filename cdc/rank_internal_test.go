package cdc

import "testing"

// Only a dataset that was put before another with tables is sealed without regard
// for transactions of the application that cross it.
func TestForemost(t *testing.T) {
	primary, logs, empty := &dataset{name: "primary", priority: primaryPriority}, &dataset{name: "logs"}, &dataset{name: "empty", priority: -5}
	for _, c := range []struct {
		name             string
		tables           []*table
		foremost, lesser string
	}{
		{"alone", []*table{{ds: primary}}, "", "logs empty"},
		{"two", []*table{{ds: primary}, {ds: logs}}, "primary", "logs empty"},
		{"the lesser alone", []*table{{ds: logs}}, "", "empty"},
		{"none", nil, "", ""},
	} {
		s := &Store{}
		x := &tx{s: s, cfg: &config{datasets: []*dataset{primary, logs, empty}, tables: c.tables}}
		if err := x.rankDatasets(); err != nil {
			t.Fatal(err)
		}
		foremost, lesser := "", ""
		for _, d := range x.cfg.datasets {
			if r := s.rank(d.name); r.foremost {
				foremost += d.name
			} else if r.lesser && lesser != "" {
				lesser += " " + d.name
			} else if r.lesser {
				lesser = d.name
			}
		}
		if foremost != c.foremost || lesser != c.lesser {
			t.Errorf("%s: foremost %q, want %q; lesser %q, want %q", c.name, foremost, c.foremost, lesser, c.lesser)
		}
	}
}
