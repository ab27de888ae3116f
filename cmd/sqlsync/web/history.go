package web

import "time"

const (
	// sampleEvery and samples are what charts show: ten minutes.
	sampleEvery = 2 * time.Second
	samples     = 300
)

// history is how a database did of late.
type history struct{ list []sample }

// sample is one point of the charts. Sealed and Applied only rise.
type sample struct {
	Time       int64              `json:"time"`
	Lag        map[string]int64   `json:"lag"` // rows, by dataset
	LagSeconds map[string]float64 `json:"lag_seconds"`
	Sealed     int64              `json:"sealed"`
	Applied    int64              `json:"applied"`
}

// add notes a state, unless one was noted a moment ago.
func (h *history) add(at time.Time, s databaseState) {
	p := sample{Time: at.UnixMilli(), Lag: make(map[string]int64), LagSeconds: make(map[string]float64), Sealed: s.Sealed, Applied: s.Applied}
	for _, d := range s.Datasets {
		p.Lag[d.Dataset], p.LagSeconds[d.Dataset] = d.LagRows, d.LagSeconds
	}
	if n := len(h.list); n > 0 && p.Time-h.list[n-1].Time < sampleEvery.Milliseconds()*9/10 {
		return
	}
	if len(h.list) >= samples {
		h.list = append(h.list[:0], h.list[1:]...)
	}
	h.list = append(h.list, p)
}
