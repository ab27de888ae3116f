package web

import (
	"context"
	"net/http"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// metric is one that is read when it is asked for.
type metric struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

var descs []*prometheus.Desc

func describe(kind prometheus.ValueType, name, help string, labels ...string) metric {
	d := prometheus.NewDesc(name, help, labels, nil)
	descs = append(descs, d)
	return metric{d, kind}
}

func gauge(name, help string, labels ...string) metric {
	return describe(prometheus.GaugeValue, name, help, labels...)
}

func total(name, help string, labels ...string) metric {
	return describe(prometheus.CounterValue, name, help, labels...)
}

var (
	buildInfo = gauge("sqlsync_build_info", "Always 1; the labels say what is running.", "version", "goversion")
	up        = gauge("sqlsync_up", "Whether the database could be read.", "database")
	measured  = gauge("sqlsync_measure_duration_seconds", "How long it took to read these numbers.", "database")

	conflicts   = gauge("sqlsync_conflicts", "Conflicts that are listed.", "database")
	violations  = gauge("sqlsync_violations", "Rows that break a constraint of their table since they were merged.", "database")
	quarantined = gauge("sqlsync_quarantined_rows", "Rows that stand but cannot be in their table for now.", "database")
	waiting     = gauge("sqlsync_waiting_tables", "Tables for which changes of peers are held back.", "database")
	differing   = gauge("sqlsync_differing_rows", "Rows that were found to differ from their metadata: capture was bypassed.", "database", "table")

	enabled        = gauge("sqlsync_dataset_enabled", "Whether the dataset is exchanged.", "database", "dataset")
	pending        = gauge("sqlsync_pending_marks", "Marks of touched rows that are not sealed yet.", "database", "dataset")
	pendingSeconds = gauge("sqlsync_pending_seconds", "Age of the oldest mark that is not sealed yet, 0 if there is none.", "database", "dataset")
	batches        = gauge("sqlsync_batches", "Batches held.", "database", "dataset")
	batchBytes     = gauge("sqlsync_batch_bytes", "Compressed bytes of the batches held.", "database", "dataset")

	sealedBatches  = total("sqlsync_sealed_batches_total", "Batches made of what applications wrote.", "database", "dataset")
	sealedChanges  = total("sqlsync_sealed_changes_total", "Changes in batches made of what applications wrote.", "database", "dataset")
	sealedBytes    = total("sqlsync_sealed_bytes_total", "Compressed bytes of batches made of what applications wrote.", "database", "dataset")
	appliedBatches = total("sqlsync_applied_batches_total", "Batches merged that the peer sent.", "database", "dataset", "peer")
	appliedChanges = total("sqlsync_applied_changes_total", "Changes in batches merged that the peer sent.", "database", "dataset", "peer")
	appliedBytes   = total("sqlsync_applied_bytes_total", "Compressed bytes of batches merged that the peer sent.", "database", "dataset", "peer")
	failures       = total("sqlsync_errors_total", "Attempts to seal, or to apply what a peer sent, that failed.", "database", "dataset", "operation")

	lagRows    = gauge("sqlsync_lag_rows", "Changes held that the peer has not confirmed.", "database", "dataset", "peer")
	lagSeconds = gauge("sqlsync_lag_seconds", "Age of the oldest change held that the peer has not confirmed, 0 if there is none.", "database", "dataset", "peer")
	missing    = gauge("sqlsync_missing_batches", "Batches that the peer is known to have and that are not here.", "database", "dataset", "peer")

	connected = gauge("sqlsync_peer_connected", "Whether a session with the peer is open.", "database", "peer")
	failing   = gauge("sqlsync_peer_failing", "Whether the last session with the peer, or attempt at one, ended in an error.", "database", "peer")
	leftOut   = gauge("sqlsync_unreplicated", "1 for each dataset, or table of one, that is not exchanged with a peer until somebody does something about it.", "database", "dataset", "table", "peer")
	lastSync  = gauge("sqlsync_last_sync_timestamp_seconds", "When both sides last had everything, 0 for never.", "database", "peer")
)

// metrics answers with all of them.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{})
}

func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(s.options.Counters.seals, s.options.Counters.applies, collector{s})
	return r
}

// collector reads a snapshot of every database.
type collector struct{ s *Server }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	o := output{ch: ch}
	o.put(buildInfo, 1, c.s.options.Version, runtime.Version())
	for _, d := range c.s.all() {
		s := d.snapshot(context.Background(), freshEnough)
		o.labels = []string{d.Path}
		o.put(up, truth(s.err == nil))
		o.put(measured, s.took.Seconds())
		if s.err == nil {
			o.database(s)
			for _, ds := range s.measure.Datasets {
				o.dataset(s, ds)
				o.counters(c.s.options.Counters, d, s, ds.Name)
			}
		}
	}
}

// output puts out metrics with the labels of where it is.
type output struct {
	ch     chan<- prometheus.Metric
	labels []string
}

func (o *output) put(m metric, v float64, labels ...string) {
	o.ch <- prometheus.MustNewConstMetric(m.Desc, m.kind, v, slices.Concat(o.labels, labels)...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (o *output) database(s *snapshot) {
	o.put(conflicts, float64(s.measure.Conflicts))
	o.put(violations, float64(s.measure.Violations))
	o.put(quarantined, float64(s.measure.Held))
	o.put(waiting, float64(s.measure.Waiting))
	for _, table := range sortedKeys(s.differing) {
		o.put(differing, float64(s.differing[table]), table)
	}
	for _, u := range s.unreplicated {
		o.put(leftOut, 1, u.Dataset, u.Table, u.Peer)
	}
	for _, p := range s.peers {
		o.put(connected, truth(p.State == replicate.Connected), p.Remote.Name)
		o.put(failing, truth(p.Error != ""), p.Remote.Name)
		at := 0.0
		if !p.LastSync.IsZero() {
			at = float64(p.LastSync.UnixMilli()) / 1000
		}
		o.put(lastSync, at, p.Remote.Name)
		for _, dataset := range sortedKeys(p.Lag) {
			o.put(missing, float64(p.Lag[dataset].Ours), dataset, p.Remote.Name)
		}
	}
}

func (o *output) dataset(s *snapshot, d cdc.DatasetMeasure) {
	o.put(enabled, truth(d.Enabled), d.Name)
	o.put(pending, float64(d.Pending), d.Name)
	o.put(pendingSeconds, since(s.at, d.PendingSince), d.Name)
	o.put(batches, float64(d.Batches), d.Name)
	o.put(batchBytes, float64(d.Bytes), d.Name)
	for _, peer := range sortedKeys(d.Lag) {
		o.put(lagRows, float64(d.Lag[peer].Changes), d.Name, peer)
		o.put(lagSeconds, since(s.at, d.Lag[peer].Since), d.Name, peer)
	}
}

// counters puts out counts from 0 on, so that the first one makes a rate.
func (o *output) counters(c *Counters, d *Database, s *snapshot, dataset string) {
	sealed, applied, failed := c.of(sealedKey{d.Path, dataset})
	o.put(sealedBatches, float64(sealed.Batches), dataset)
	o.put(sealedChanges, float64(sealed.Changes), dataset)
	o.put(sealedBytes, float64(sealed.Bytes), dataset)
	for _, operation := range sortedKeys(failed) {
		o.put(failures, float64(failed[operation]), dataset, operation)
	}
	names := make(map[merge.NodeID]string)
	for _, p := range s.peers {
		if r := p.Remote; r.Direction(dataset).Pull && (r.Datasets == nil || slices.Contains(r.Datasets, dataset)) {
			names[r.Peer] = r.Name
		}
	}
	for peer := range applied {
		if names[peer] == "" { // no remote any more
			names[peer] = d.Show.Key(peer)
		}
	}
	for peer, name := range names {
		o.put(appliedBatches, float64(applied[peer].Batches), dataset, name)
		o.put(appliedChanges, float64(applied[peer].Changes), dataset, name)
		o.put(appliedBytes, float64(applied[peer].Bytes), dataset, name)
	}
}
