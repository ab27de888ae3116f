package main

import (
	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
	"github.com/muesli/roff"
)

type manCmd struct{}

// Run prints the manual page, which is made of the grammar.
func (manCmd) Run(k *kong.Kong, a *app) error {
	a.printf("%s", mangokong.NewManPage(1, k.Model).
		WithSection("Exit status", "0 it is done; 1 it failed; 2 the command line is wrong. Messages go to standard error, with a hint where there is something to do.").
		WithSection("Environment", "SQLSYNC_DB names the database, SQLSYNC_PASSPHRASE unlocks key files, SQLSYNC_HTTP_TOKEN is the token of the pages of serve.").
		WithSection("Files", "FILE-sqlsync.key is the node's secret key, beside the database FILE; FILE-sqlsync.lock says that it is being served.").
		Build(roff.NewDocument()))
	return nil
}
