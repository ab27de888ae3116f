package main

import (
	"fmt"
	"image/color"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

var (
	met    = color.RGBA{R: 0x2e, G: 0x7d, B: 0x32, A: 0xff}
	missed = color.RGBA{R: 0xc6, G: 0x28, B: 0x28, A: 0xff}
)

// drawGoals draws how much of each goal is reached, worst at the bottom.
func drawGoals(m measures, dir string) error {
	p := plot.New()
	p.Title.Text = "How much of each goal is reached (the line is all of it)"
	p.X.Min, p.X.Max = 0, 2
	var good, bad plotter.Values
	var names []string
	for i := len(table) - 1; i >= 0; i-- {
		r := &table[i]
		_, _, ratio, ok := r.values(m)
		if !ok || r.goal == 0 {
			continue
		}
		names = append(names, strings.TrimSuffix(r.bench+" "+strings.TrimSuffix(r.ratio, "-ratio"), " "))
		if v := min(r.reached(ratio), p.X.Max); v >= 1 {
			good, bad = append(good, v), append(bad, 0)
		} else {
			good, bad = append(good, 0), append(bad, v)
		}
	}
	if len(names) == 0 {
		return nil
	}
	for _, series := range []struct {
		values plotter.Values
		color  color.Color
	}{{good, met}, {bad, missed}} {
		bars, err := plotter.NewBarChart(series.values, vg.Points(10))
		if err != nil {
			return err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, series.color, 0
		p.Add(bars)
	}
	goal, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(names)) - 0.5}})
	if err != nil {
		return err
	}
	p.Add(goal)
	p.NominalY(names...)
	return p.Save(7*vg.Inch, vg.Length(len(names))*0.28*vg.Inch+vg.Inch, filepath.Join(dir, "goals.svg"))
}

// drawn are the percentiles that the benchmarks report.
var drawn = []float64{10, 25, 50, 75, 90, 95, 99, 99.9}

// drawLatencies draws the curves of latencies.
func drawLatencies(m measures, dir string) error {
	p := plot.New()
	p.Title.Text = "Latencies by percentile"
	p.Y.Label.Text = "ms"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	var names []string
	for _, q := range drawn {
		names = append(names, fmt.Sprintf("p%g", q))
	}
	var args []any
	for _, c := range []struct{ bench, name, legend string }{
		{"Latency", "floor", "floor: two synced commits, a round trip"},
		{"Latency", "commit", "one commit on A to visible on B"},
		{"Interference", "idle", "a write by the application, nothing comes"},
		{"Interference", "busy", "a write by the application during apply"},
	} {
		var xys plotter.XYs
		for i, q := range drawn {
			if v := m[c.bench][fmt.Sprintf("%s-p%g-ms", c.name, q)]; v > 0 {
				xys = append(xys, plotter.XY{X: float64(i), Y: v})
			}
		}
		if len(xys) > 0 {
			args = append(args, c.legend, xys)
		}
	}
	if len(args) == 0 {
		return nil
	}
	if err := plotutil.AddLinePoints(p, args...); err != nil {
		return err
	}
	p.NominalX(names...)
	p.Legend.Top, p.Legend.Left = true, true
	return p.Save(7*vg.Inch, 4*vg.Inch, filepath.Join(dir, "latency.svg"))
}

// drawGrowth draws what a change costs as something grows.
func drawGrowth(m measures, g *growth, dir string) error {
	list := g.points(m)
	if len(list) < 2 {
		return nil
	}
	p := plot.New()
	p.Title.Text = "Cost of a change by " + g.by
	p.X.Label.Text, p.Y.Label.Text = g.by, "µs per change"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	var args []any
	for _, l := range g.lines {
		var xys plotter.XYs
		for _, pt := range list {
			xys = append(xys, plotter.XY{X: pt.size, Y: pt.metrics[l+"-µs/change"]})
		}
		args = append(args, l, xys)
	}
	if err := plotutil.AddLinePoints(p, args...); err != nil {
		return err
	}
	p.Legend.Top, p.Legend.Left = true, true
	return p.Save(6*vg.Inch, 3*vg.Inch, filepath.Join(dir, g.by+".svg"))
}
