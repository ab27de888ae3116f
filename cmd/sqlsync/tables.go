package main

import (
	"context"
	"strconv"
	"text/tabwriter"

	"sqlsync/cdc"
)

type tablesCmd struct{}

type tableRow struct {
	Table   string   `json:"table"`
	Watched bool     `json:"watched"`
	Dataset string   `json:"dataset"`
	Merge   string   `json:"merge"`
	Key     []string `json:"key"`
	Rows    int64    `json:"rows"`
	Verdict string   `json:"verdict"`
	Reason  string   `json:"reason"`
}

// Run lists the tables.
func (tablesCmd) Run(ctx context.Context, a *app) error {
	list, err := a.tables(ctx)
	if err != nil {
		return err
	}
	rows := tableRows(list)
	if a.JSON {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	tw := &app{stdout: w}
	tw.printf("TABLE\tWATCHED\tDATASET\tMERGE\tKEY\tROWS\tVERDICT\n")
	for _, r := range rows {
		tw.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(r.Table), yesNo(r.Watched), dash(cell(r.Dataset)), dash(r.Merge), dash(cells(r.Key)), r.count(), r.verdict())
	}
	return w.Flush()
}

func tableRows(list []cdc.TableStatus) []tableRow {
	rows := []tableRow{}
	for _, t := range list {
		r := tableRow{Table: t.Name, Watched: t.Watched, Dataset: t.Dataset, Merge: t.Policy, Rows: t.Rows, Verdict: "ok", Reason: t.Waiting, Key: t.Key}
		if r.Key == nil {
			r.Key = []string{}
		}
		if t.Refused != nil {
			r.Verdict, r.Reason = "refused", reason(t.Refused)
		}
		rows = append(rows, r)
	}
	return rows
}

// count is the number of rows, for people.
func (r *tableRow) count() string {
	if r.Rows < 0 {
		return "-"
	}
	return strconv.FormatInt(r.Rows, 10)
}

// verdict is the verdict and why, for people: a watched table that waits is
// not well.
func (r *tableRow) verdict() string {
	switch {
	case r.Reason == "":
		return r.Verdict
	case r.Verdict == "ok":
		return "waits: " + oneLine(r.Reason)
	}
	return r.Verdict + ": " + r.Reason
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
