package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

type logPrinter struct {
	a    *app
	node merge.NodeID
	mine func(merge.NodeID) bool
	out  *bufio.Writer
	keep func(*cdc.Entry) bool
}

type logLine struct {
	Cursor   string    `json:"cursor"`
	Dataset  string    `json:"dataset"`
	Origin   string    `json:"origin"`
	Seq      uint64    `json:"seq"`
	HLC      merge.HLC `json:"hlc"`
	Time     string    `json:"time"`
	Table    string    `json:"table"`
	Op       string    `json:"op"`
	Key      row       `json:"key"`
	Values   row       `json:"values"`
	Local    bool      `json:"local"`
	Baseline bool      `json:"baseline,omitempty"`
}

// logLineOf is a change as it is printed on the node that wrote what is mine.
func logLineOf(e *cdc.Entry, mine func(merge.NodeID) bool) logLine {
	l := logLine{
		Cursor: e.Cursor.String(), Dataset: e.Cursor.Dataset, Origin: crypto.PublicKey(e.Origin).String(), Seq: e.Seq,
		HLC: e.Change.HLC, Time: e.Change.HLC.Time().Format(timeLayout), Table: e.Table,
		Op: e.Change.Op.String(), Key: row{}, Values: row{}, Local: mine(e.Origin), Baseline: e.Change.Baseline,
	}
	for i, v := range e.Change.Key {
		l.Key = append(l.Key, column{e.Key[i], v})
	}
	for i, v := range e.Change.Values {
		l.Values = append(l.Values, column{e.Columns[i], v})
	}
	return l
}

func (p *logPrinter) print(e *cdc.Entry) error {
	l := logLineOf(e, p.mine)
	if p.a.JSON {
		b, err := json.Marshal(l)
		if err != nil {
			return err
		}
		_, err = p.out.Write(append(b, '\n'))
		return err
	}
	origin := e.Origin
	if l.Local { // as which author ever
		origin = p.node
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %-6s  %s  %s  %s\n", l.Time, short(origin), l.Op, cell(l.Table), l.Key, l.Values)
	return err
}

// String lists the columns for people, values cut where they are long.
func (r row) String() string { return r.join(textShown) }

func (r row) join(most int) string {
	parts := make([]string, len(r))
	for i, c := range r {
		parts[i] = cell(c.name) + "=" + text(c.value, most)
	}
	return strings.Join(parts, " ")
}
