package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

// Limit is how far peers, and the sealing of what applications wrote, may be
// behind. 0 is no limit.
type Limit struct {
	Rows    int64
	Seconds float64
}

type health struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"`
	// Warnings do not make it fail: what a peer refuses holds up nothing else, and
	// neither a restart nor other traffic mends it.
	Warnings []string `json:"warnings,omitempty"`
}

// add takes how a database stands into account.
func (h *health) add(l Limit, path string, s *snapshot) {
	h.Reasons = append(h.Reasons, l.exceeded(path, s)...)
	for _, u := range s.unreplicated {
		h.Warnings = append(h.Warnings, path+": "+u.Text)
	}
}

// freshEnough is how old a measurement may be that a probe is answered with.
const freshEnough = time.Second

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	h := health{Reasons: []string{}, Warnings: []string{}}
	for _, d := range s.all() {
		h.add(s.options.Limit, d.Path, d.snapshot(r.Context(), freshEnough))
	}
	h.Reasons = append(h.Reasons, s.trouble()...)
	status := http.StatusOK
	if h.OK = len(h.Reasons) == 0; !h.OK {
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, h)
}

// exceeded says what is not well.
func (l Limit) exceeded(path string, s *snapshot) (reasons []string) {
	if s.err != nil {
		return []string{fmt.Sprintf("%s: cannot be read: %v", path, s.err)}
	}
	for _, d := range s.measure.Datasets {
		if d.Enabled {
			reasons = append(reasons, l.exceededBy(path, s.at, d)...)
		}
	}
	return reasons
}

func (l Limit) exceededBy(path string, now time.Time, d cdc.DatasetMeasure) (reasons []string) {
	say := func(format string, args ...any) {
		reasons = append(reasons, path+": "+fmt.Sprintf(format, args...))
	}
	if l.Rows > 0 && d.Pending > l.Rows {
		say("%s of %s %s not sealed, more than %d", plural.Of(d.Pending, "row"), d.Name, plural.Choose(d.Pending, "is", "are"), l.Rows)
	}
	if age := since(now, d.PendingSince); l.Seconds > 0 && age > l.Seconds {
		say("rows of %s have not been sealed for %.0f s, more than %g", d.Name, age, l.Seconds)
	}
	for _, peer := range sortedKeys(d.Lag) {
		lag := d.Lag[peer]
		if l.Rows > 0 && lag.Changes > l.Rows {
			say("%s lacks %s of %s, more than %d", peer, plural.Of(lag.Changes, "change"), d.Name, l.Rows)
		}
		if age := since(now, lag.Since); l.Seconds > 0 && age > l.Seconds {
			say("%s is %.0f s behind in %s, more than %g", peer, age, d.Name, l.Seconds)
		}
	}
	return reasons
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
