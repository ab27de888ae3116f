package main

import (
	"context"
	"strings"
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
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	rows, err := tableRows(ctx, store)
	if err != nil {
		return explain(store.Path(), err)
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	tw := &app{stdout: w}
	tw.printf("TABLE\tWATCHED\tDATASET\tMERGE\tKEY\tROWS\tVERDICT\n")
	for _, r := range rows {
		verdict := r.Verdict
		if r.Reason != "" {
			verdict += ": " + r.Reason
		}
		tw.printf("%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Table, yesNo(r.Watched), dash(r.Dataset), dash(r.Merge), dash(strings.Join(r.Key, ",")), r.Rows, verdict)
	}
	return w.Flush()
}

func tableRows(ctx context.Context, store *cdc.Store) ([]tableRow, error) {
	list, err := store.Tables(ctx)
	if err != nil {
		return nil, err
	}
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
	return rows, nil
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
