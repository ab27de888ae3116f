package web_test

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/web"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// busy is a site of which every metric has something to say.
func busy(t testing.TB) *site {
	s := newSite(t, func(o *web.Options) {
		o.Databases[0].Show.Unreplicated = func(context.Context) ([]web.Unreplicated, error) {
			return []web.Unreplicated{{Dataset: "logs", Table: "readings", Peer: "till"}}, nil
		}
	})
	till := s.peer("till", replicate.Status{State: replicate.Connected, LastSync: time.UnixMilli(1_700_000_000_500), Lag: map[string]replicate.Lag{"primary": {Ours: 2}}})
	s.peer("depot", replicate.Status{State: replicate.Retrying, Error: "nobody is there"})
	s.write(`INSERT INTO orders VALUES (1, 'a'), (2, 'b')`)
	s.exec(`INSERT INTO orders VALUES (3, 'c')`)
	s.exec(`INSERT INTO sqlsync_differing (table_id, rows, found) SELECT id, 7, 0 FROM sqlsync_table`)
	observe := s.options.Counters.Observe(s.store.Path())
	observe(cdc.Work{Dataset: "primary", From: till, Applied: cdc.Amount{Batches: 2, Changes: 30, Bytes: 400}, Took: time.Second})
	observe(cdc.Work{Dataset: "primary", From: till, Err: os.ErrInvalid})
	observe(cdc.Work{Dataset: "primary", From: merge.NodeID{9}, Applied: cdc.Amount{Batches: 1}})
	return s
}

func TestMetrics(t *testing.T) {
	s := busy(t)
	text := s.get("/metrics")
	for _, want := range []string{
		`sqlsync_build_info{goversion="GO",version="1.2.3"} 1`,
		`sqlsync_up{DB} 1`,
		`sqlsync_batches{DB,dataset="primary"} 1`,
		`sqlsync_pending_marks{DB,dataset="primary"} 1`,
		`sqlsync_sealed_changes_total{DB,dataset="primary"} 2`,
		`sqlsync_applied_changes_total{DB,dataset="primary",peer="till"} 30`,
		`sqlsync_applied_changes_total{DB,dataset="primary",peer="depot"} 0`,
		`sqlsync_applied_batches_total{DB,dataset="primary",peer="` + nodeKey(merge.NodeID{9}) + `"} 1`,
		`sqlsync_errors_total{DB,dataset="primary",operation="apply"} 1`,
		`sqlsync_errors_total{DB,dataset="primary",operation="seal"} 0`,
		`sqlsync_apply_duration_seconds_sum{DB,dataset="primary"} 1`,
		`sqlsync_seal_duration_seconds_count{DB,dataset="primary"} 1`,
		`sqlsync_lag_rows{DB,dataset="primary",peer="till"} 2`,
		`sqlsync_missing_batches{DB,dataset="primary",peer="till"} 2`,
		`sqlsync_peer_connected{DB,peer="till"} 1`,
		`sqlsync_peer_connected{DB,peer="depot"} 0`,
		`sqlsync_peer_failing{DB,peer="depot"} 1`,
		`sqlsync_last_sync_timestamp_seconds{DB,peer="till"} 1.7000000005e+09`,
		`sqlsync_last_sync_timestamp_seconds{DB,peer="depot"} 0`,
		`sqlsync_unreplicated{DB,dataset="logs",peer="till",table="readings"} 1`,
		`sqlsync_differing_rows{DB,table="orders"} 7`,
	} {
		got := strings.ReplaceAll(text, `database="`+s.store.Path()+`"`, "DB")
		got = regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(got, `goversion="GO"`)
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

var (
	metricType = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	metricName = regexp.MustCompile(`sqlsync_[a-z_]+`)
)

// offered lists the metrics as they are documented, and all names of theirs
// that queries may use.
func offered(t testing.TB) (metrics, names []string) {
	for _, m := range metricType.FindAllStringSubmatch(busy(t).get("/metrics"), -1) {
		metrics, names = append(metrics, m[1]), append(names, m[1])
		if !strings.HasPrefix(m[1], "sqlsync_") {
			t.Errorf("%s does not begin with sqlsync_", m[1])
		}
		if m[2] == "histogram" {
			names = append(names, m[1]+"_bucket", m[1]+"_sum", m[1]+"_count")
		}
	}
	return metrics, names
}

// The dashboard asks for metrics that are there, and the manual has all.
func TestDashboardAndManual(t *testing.T) {
	metrics, names := offered(t)
	dashboard, err := os.ReadFile("../../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	decode[map[string]any](t, string(dashboard))
	used := metricName.FindAllString(string(dashboard), -1)
	if len(used) < 20 {
		t.Errorf("the dashboard uses %d metrics", len(used))
	}
	for _, name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("the dashboard uses %s, which is not offered", name)
		}
	}
	manual, err := os.ReadFile("../../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metrics {
		if !strings.Contains(string(manual), "`"+name+"`") {
			t.Errorf("docs/http.md does not have %s", name)
		}
	}
	for _, name := range metricName.FindAllString(string(manual), -1) {
		if !slices.Contains(names, name) {
			t.Errorf("docs/http.md has %s, which is not offered", name)
		}
	}
}

// Only one database of a page that serves several is asked for by name.
func TestSeveralDatabases(t *testing.T) {
	a := newSite(t, nil)
	b := newSite(t, func(o *web.Options) { o.Databases = append(o.Databases, a.options.Databases...) })
	if w := b.request("GET", "/api/status", nil); w.Code != 404 {
		t.Errorf("without a name: %d", w.Code)
	}
	b.get("/api/status?db=" + a.store.Path())
	text := b.get("/metrics")
	for _, s := range []*site{a, b} {
		if !strings.Contains(text, `sqlsync_up{database="`+s.store.Path()+`"} 1`) {
			t.Errorf("no metrics of %s", s.store.Path())
		}
	}
}
