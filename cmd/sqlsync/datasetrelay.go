package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

type datasetRelayCmd struct {
	Name string `arg:"" complete:"dataset" help:"The private dataset; it is made where there is none."`
	Yes  bool   `help:"Do not ask."`
}

// Run has this node hold and pass on a private dataset.
func (c *datasetRelayCmd) Run(ctx context.Context, a *app) error {
	if err := checkDataset(c.Name); err != nil {
		return err
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	done, err := a.relay(ctx, store, c.Name, c.Yes)
	if err == nil && !done {
		a.tell("%s is held and passed on unread already", c.Name)
	} else if err == nil {
		a.tell("%s is private, and held and passed on unread; what is in clear is not taken", c.Name)
	}
	return err
}

// relay makes a node without its key of a private dataset, which is made where
// there is none. A key that was made here goes, if nothing is encrypted with it.
func (a *app) relay(ctx context.Context, store *cdc.Store, name string, yes bool) (news bool, err error) {
	path := mesh.DatasetKeysPath(store.Path())
	keys, err := crypto.LoadDatasetKeys(path)
	if err != nil {
		return false, explainDatasetKeys(path, err)
	}
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return false, explain(store.Path(), err)
	}
	d := cdc.DatasetSettings{Dataset: name}
	if i := slices.IndexFunc(list, func(d cdc.DatasetSettings) bool { return d.Dataset == name }); i >= 0 {
		d = list[i]
	}
	_, keyed := keys[name]
	switch {
	case keyed && d.Used:
		return false, hint(fmt.Errorf("this node is a member of %s: it has the key", name),
			"make the relay a database of its own: sqlsync --db RELAY dataset relay %s", name)
	case keyed:
		if err := a.confirm(yes, "forget the key of "+name); err != nil {
			return false, err
		}
		if err := crypto.ForgetDatasetKey(path, name); err != nil {
			return false, explainDatasetKeys(path, err)
		}
	}
	if d.Private && !keyed {
		return false, nil
	}
	if err := store.MakePrivate(ctx, name); err != nil {
		return false, explainPrivate(store.Path(), name, err)
	}
	return true, nil
}

// relayed are the datasets of a ticket for a relay: those that are named, which
// have to be private, or all that are.
func relayed(ctx context.Context, store *cdc.Store, named []string) (list []string, err error) {
	have, err := store.DatasetSettings(ctx)
	if err != nil {
		return nil, explain(store.Path(), err)
	}
	for _, d := range have {
		switch is := slices.Contains(named, d.Dataset); {
		case is && !d.Private:
			return nil, hint(fmt.Errorf("%s is not private: who passes it on can read it", d.Dataset), "leave it out, or invite without --relay")
		case d.Private && (is || named == nil):
			list = append(list, d.Dataset)
		}
	}
	if len(list) == 0 {
		return nil, hint(fmt.Errorf("there is no private dataset to pass on"), "sqlsync dataset set NAME --private makes one")
	}
	return list, nil
}

// unread are the private datasets that this node passes on and has no table in,
// "" if there are none. Where it has tables it is a member that lost the key.
func (st *status) unread() string {
	var names []string
	for _, d := range st.Datasets {
		if d.relay {
			names = append(names, cell(d.Dataset))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("dataset %s is private and its key is not here: it is passed on unread", names[0])
	}
	return fmt.Sprintf("datasets %s are private and their keys are not here: they are passed on unread", strings.Join(names, ", "))
}
