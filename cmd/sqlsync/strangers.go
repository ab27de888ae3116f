package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
)

type strangerRow struct {
	Key      string `json:"key"`
	Addr     string `json:"addr"`
	Tries    int64  `json:"tries"`
	LastSeen string `json:"last_seen"`
}

// listStrangers shows who was refused. The key is shown in full: a part of it
// could be made to match another's.
func listStrangers(ctx context.Context, a *app, store *cdc.Store) error {
	list, err := store.Strangers(ctx)
	if err != nil {
		return err
	}
	rows := []strangerRow{}
	for _, x := range list {
		rows = append(rows, strangerRow{nodeKey(x.Key), x.Addr, x.Tries, x.Seen.Format(time.RFC3339)})
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nREFUSED\tTRIES\tLAST SEEN\tKEY")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", r.Addr, r.Tries, r.LastSeen, r.Key)
	}
	return w.Flush()
}

// expired is the error of asking for a remote that has expired.

// shut says what to do about a remote that is not let in.
func shut(r *cdc.Remote) error {
	why := fmt.Errorf("remote %s expired at %s", r.Name, r.Expires.Local().Format(time.DateTime))
	if r.Disabled {
		why = fmt.Errorf("remote %s is disabled", r.Name)
	}
	return hint(why, "%s allows it again", shutRemedy(r))
}

func shutRemedy(r *cdc.Remote) string {
	if r.Disabled {
		return "sqlsync remote enable " + r.Name
	}
	return "sqlsync remote set " + r.Name + " --expires DURATION"
}
