package cdc

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Direction says what is exchanged with a remote: its changes, ours.
type Direction struct{ Pull, Push bool }

// String gives pull, push, both or none.
func (d Direction) String() string {
	switch {
	case d.Pull && d.Push:
		return "both"
	case d.Pull:
		return "pull"
	case d.Push:
		return "push"
	}
	return "none"
}

// ParseDirection reads pull, push or both.
func ParseDirection(s string) (Direction, error) {
	for _, d := range []Direction{{Pull: true}, {Push: true}, {true, true}} {
		if d.String() == s {
			return d, nil
		}
	}
	return Direction{}, fmt.Errorf("direction %q is none of pull, push and both", s)
}

// Direction is what is exchanged with a remote of a dataset that it may have.
func (r *Remote) Direction(dataset string) Direction {
	if d, ok := r.Directions[dataset]; ok {
		return d
	}
	return Direction{r.Pull, r.Push}
}

// Gets reports whether a remote gets anything, Takes whether we take something
// from it.
func (r *Remote) Gets() bool {
	return r.Push || slices.ContainsFunc(slices.Collect(maps.Values(r.Directions)), func(d Direction) bool { return d.Push })
}

func (r *Remote) Takes() bool {
	return r.Pull || slices.ContainsFunc(slices.Collect(maps.Values(r.Directions)), func(d Direction) bool { return d.Pull })
}

// directions is Directions as a column's value.
func (r *Remote) directions() any {
	if len(r.Directions) == 0 {
		return nil
	}
	m := make(map[string]string, len(r.Directions))
	for dataset, d := range r.Directions {
		m[dataset] = d.String()
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func readDirections(text sql.NullString) (map[string]Direction, error) {
	if !text.Valid {
		return nil, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(text.String), &m); err != nil {
		return nil, err
	}
	out := make(map[string]Direction, len(m))
	for dataset, s := range m {
		d, err := ParseDirection(s)
		if err != nil {
			return nil, err
		}
		out[dataset] = d
	}
	return out, nil
}
