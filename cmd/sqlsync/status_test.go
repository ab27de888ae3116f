package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	remote := func(name, state string, lag int64) remoteStatus {
		return remoteStatus{Name: name, Addr: "h:1", State: state, Lag: map[string]int64{"primary": lag}, Pull: true, Push: true}
	}
	broken := remote("till", "retrying", 3)
	broken.Error = "dial h:1: connection refused"
	quiet := remote("till", "retrying", 0)
	reader := remote("till", "connected", 5)
	reader.Push = false
	for _, c := range []struct {
		name       string
		st         status
		want       string
		replicated bool
	}{
		{"no table", status{}, "nothing is replicated: no table is watched", false},
		{"relay", status{passes: true, Serving: true, Remotes: []remoteStatus{remote("till", "connected", 0)}},
			"everything held is passed on; no table is watched here", true},
		{"relay behind", status{passes: true, Serving: true, Remotes: []remoteStatus{remote("office", "connected", 0), broken}},
			"3 changes are not on till yet: dial h:1: connection refused; no table is watched here", false},
		{"relay cut off", status{passes: true, Serving: true, Remotes: []remoteStatus{quiet}},
			"everything held is passed on; nothing comes from till: it is being dialed; no table is watched here", true},
		{"no remote", status{watched: 1}, "nothing is replicated: there is no remote", false},
		{"well", status{watched: 1, Serving: true, Remotes: []remoteStatus{remote("till", "connected", 0)}}, "everything is replicated", true},
		{"one", status{watched: 1, Serving: true, Remotes: []remoteStatus{remote("till", "connected", 1)}},
			"1 change is not on till yet: on the way", false},
		{"behind", status{watched: 1, Serving: true, Remotes: []remoteStatus{remote("a", "connected", 1), broken, remote("b", "connected", 0)}},
			"3 changes are not on till yet: dial h:1: connection refused; nor is everything on 1 other remote", false},
		{"not served", status{watched: 1, Remotes: []remoteStatus{remote("till", "idle", 3)}},
			"3 changes are not on till yet: sqlsync serve is not running here", false},
		{"cut off", status{watched: 1, Serving: true, Remotes: []remoteStatus{quiet}},
			"everything written here is replicated; nothing comes from till: it is being dialed", true},
		{"gets nothing", status{watched: 1, Serving: true, Remotes: []remoteStatus{reader}}, "everything is replicated", true},
		{"pending", status{watched: 1, Serving: true, Datasets: []datasetStatus{{Dataset: "primary", Enabled: true, Pending: 2}},
			Remotes: []remoteStatus{remote("till", "connected", 0)}}, "2 changes are not on till yet: on the way", false},
		{"hanging", status{watched: 1, Serving: true, Datasets: []datasetStatus{{Dataset: "primary", Enabled: true, Pending: 2, PendingSeconds: 12}},
			Remotes: []remoteStatus{remote("till", "connected", 0)}}, "2 changes are not on till yet: sqlsync serve has not sealed what was written 12s ago; its log may say why", false},
		{"full", status{watched: 1, Serving: true, Datasets: []datasetStatus{{Dataset: "primary", Enabled: true, Pending: 2, PendingSeconds: 1}},
			troubles: []trouble{{What: "seal", Error: "disk is full"}}, Remotes: []remoteStatus{remote("till", "connected", 0)}},
			"2 changes are not on till yet: cannot seal: disk is full", false},
		{"alone", status{watched: 2, Serving: true, Datasets: []datasetStatus{{Dataset: "primary", Enabled: true, tables: 1}, {Dataset: "logs", Enabled: true, tables: 1}},
			Remotes: []remoteStatus{{Name: "till", State: "connected", Pull: true, Push: true, Datasets: []string{"primary"}}}},
			"dataset logs is not replicated: no remote has it; sqlsync remote set NAME --dataset logs gives it to one", false},
		{"aside", status{watched: 1, Serving: true, Quarantined: 2, waiting: 1, Remotes: []remoteStatus{remote("till", "connected", 0)}},
			"everything is replicated; 1 table is waiting and not merged; 2 rows are kept aside", true},
	} {
		if c.st.Datasets == nil {
			c.st.Datasets = []datasetStatus{{Dataset: "primary", Enabled: true}}
		}
		if got, replicated := c.st.verdict(); got != c.want || replicated != c.replicated {
			t.Errorf("%s: %q, %v", c.name, got, replicated)
		}
	}
}

// Why a remote without an address of people's lacks something.
func TestWhyWithoutAddress(t *testing.T) {
	st := &status{Serving: true}
	for _, c := range []struct {
		r           remoteStatus
		where, want string
	}{
		{remoteStatus{State: "idle"}, "-", "it has no address here and has not connected"},
		{remoteStatus{State: "idle", LastSync: "2026-03-01T00:00:00Z"}, "-", "it has no address here and has not come back"},
		{remoteStatus{State: "idle", Confirmed: map[string]map[string]uint64{"primary": {"k": 1}}}, "-", "it has no address here and has not come back"},
		{remoteStatus{State: "idle", Learned: []string{"h:1", "h:2"}}, "(h:1,h:2)", "there is no connection"},
		{remoteStatus{State: "retrying", Learned: []string{"h:1"}}, "(h:1)", "it is being dialed"},
		{remoteStatus{State: "idle", Addr: "h:3", Learned: []string{"h:1"}}, "h:3", "there is no connection"},
	} {
		if got := st.why(&c.r); got != c.want || c.r.where() != c.where {
			t.Errorf("%+v: %q at %q", c.r, got, c.r.where())
		}
	}
}

// A status is drawn over the one before it, and never higher than the screen.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, size: func() (int, int, error) { return 20, 9, nil }}
	for i := range 2 {
		if err := s.show(&status{Verdict: fmt.Sprintf("verdict %d of a long line", i)}); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	if strings.HasPrefix(text, "\x1b") || strings.Contains(text, "\x1b[2J") {
		t.Errorf("what is above is touched: %q", text)
	}
	if want := "\x1b[8A\rverdict 1 of a long \x1b[K\nline\x1b[K\n\x1b[K\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not in %q", want, text)
	}
	if want := "\nDATASET  ENABLED  P…\x1b[K\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not in %q", want, text)
	}
	if n := strings.Count(text, "\n"); n != 16 {
		t.Errorf("%d lines for two texts on 9 lines", n)
	}
}
