package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
)

type doctorCmd struct {
	Bundle string `placeholder:"FILE" help:"Write what support needs to know into a new .tar.gz file: no values of rows, no secrets."`
}

// What a check comes to.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailure = "failure"
)

type check struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
}

type doctorReport struct {
	Checks   []check `json:"checks"`
	Failures int     `json:"failures"`
	Warnings int     `json:"warnings"`
}

// doctor looks at one database. It makes nothing and writes nothing.
type doctor struct {
	ctx  context.Context
	path string
	now  time.Time
	// ex is what the file says of itself, nil where it cannot be read.
	ex *cdc.Examination
	// id is this node's identity, nil where there is none to be read.
	id     *crypto.Identity
	served bool
	report doctorReport
}

// Run checks the database, the machine and the configuration.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	d := &doctor{ctx: ctx, path: path, now: time.Now()}
	d.run()
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(d.report)
	} else {
		err = d.report.print(a.stdout)
	}
	if err == nil && c.Bundle != "" {
		err = a.writeBundle(d, c.Bundle)
	}
	if err != nil || d.report.Failures == 0 {
		return err
	}
	return d.report.failure()
}

func (d *doctor) run() {
	if !d.checkFile() {
		return
	}
	d.checkFolder()
	d.checkBeside()
	d.checkSystem()
	if !d.examine() {
		return
	}
	d.checkIntegrity()
	d.checkFormat()
	d.checkWAL()
	if !d.checkVersion() {
		return
	}
	d.checkKey()
	d.checkService()
	d.checkAddresses()
	d.checkClock()
	d.checkForks()
	d.checkTables()
	d.checkCapture()
	d.checkImports()
	d.checkRemotes()
	d.checkBlocked()
}

func (d *doctor) add(state, name, detail, remedy string) {
	switch state {
	case checkWarning:
		d.report.Warnings++
	case checkFailure:
		d.report.Failures++
	}
	oneLine := strings.NewReplacer("\n", "; ", "\t", " ")
	d.report.Checks = append(d.report.Checks, check{name, state, oneLine.Replace(detail), oneLine.Replace(remedy)})
}

func (d *doctor) ok(name, format string, args ...any) {
	d.add(checkOK, name, fmt.Sprintf(format, args...), "")
}

func (d *doctor) warn(name, remedy, format string, args ...any) {
	d.add(checkWarning, name, fmt.Sprintf(format, args...), remedy)
}

func (d *doctor) fail(name, remedy, format string, args ...any) {
	d.add(checkFailure, name, fmt.Sprintf(format, args...), remedy)
}

// failErr is a failure with the error's own remedy.
func (d *doctor) failErr(name string, err error) {
	var h interface{ Hint() string }
	remedy := ""
	if err = explain(d.path, err); errors.As(err, &h) {
		remedy = h.Hint()
	}
	d.fail(name, remedy, "%v", err)
}

// shownState is what people read: short, to be seen at a glance.
var shownState = map[string]string{checkOK: "ok", checkWarning: "warn", checkFailure: "fail"}

func (r *doctorReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%s\t%s\t%s\n", shownState[c.State], c.Name, c.Detail)
		if c.Remedy != "" {
			fmt.Fprintf(w, "\t\tremedy: %s\n", c.Remedy)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: %s, %s\n", countOf(int64(len(r.Checks)), "check"), countOf(int64(r.Failures), "failure"), countOf(int64(r.Warnings), "warning"))
	return err
}

// failure names the first one's remedy.
func (r *doctorReport) failure() error {
	err := errors.New(countOf(int64(r.Failures), "failure"))
	for _, c := range r.Checks {
		if c.State == checkFailure && c.Remedy != "" {
			return hint(err, "%s: %s", c.Name, c.Remedy)
		}
	}
	return err
}
