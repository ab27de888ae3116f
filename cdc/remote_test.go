package cdc_test

import (
	"path/filepath"
	"slices"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// Remotes are remembered: what another process does to them has to be seen, each
// kind of it.
func TestRemotesAsAnotherProcessLeavesThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	a := openNode(t, 1, path, `CREATE TABLE t (id INTEGER PRIMARY KEY)`)
	b := openNode(t, 1, path, ``)
	key := merge.NodeID{7}
	ctx := t.Context()
	for _, step := range []struct {
		name string
		do   func() error
		want func(cdc.Remote) bool
	}{
		{"add", func() error { return b.AddRemote(ctx, cdc.Remote{Name: "till", Key: key}) }, func(r cdc.Remote) bool { return r.Key == key && !r.Push }},
		{"set", func() error { return b.SetRemote(ctx, cdc.Remote{Name: "till", Key: key, Push: true}) }, func(r cdc.Remote) bool { return r.Push }},
		{"disable", func() error { return b.EnableRemote(ctx, "till", false) }, func(r cdc.Remote) bool { return r.Disabled }},
		{"rename", func() error { return b.RenameRemote(ctx, "till", "bar") }, func(r cdc.Remote) bool { return r.Name == "bar" }},
		{"remove", func() error { return b.RemoveRemote(ctx, "bar") }, nil},
	} {
		if _, err := a.Remotes(ctx); err != nil {
			t.Fatal(err)
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		list, err := a.Remotes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if step.want == nil && len(list) > 0 || step.want != nil && !slices.ContainsFunc(list, step.want) {
			t.Errorf("after %s: %+v", step.name, list)
		}
	}
}
