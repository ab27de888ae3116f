package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"sqlsync/cdc"
)

// checkListen makes sure that an address can be listened on.
func checkListen(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		return usage(fmt.Sprintf("--listen %q", addr), "use HOST:PORT, e.g. 0.0.0.0:7117")
	}
	return nil
}

// warnUnreachable warns of addresses that are announced to the local network and
// reached from this machine alone.
func warnUnreachable(a *app, addrs []string) {
	if loopbackOnly(addrs) {
		a.say("--discover announces %s, which other machines cannot reach", strings.Join(addrs, ", "))
		fmt.Fprintln(a.stderr, "hint: use --listen 0.0.0.0:PORT, or an address of this machine in the network")
	}
}

// warnIdle warns of a serve that has nothing to do so far. It takes note of
// what is set up while it runs.
func (s *service) warnIdle(ctx context.Context, listens, discovers bool) error {
	watched, err := s.Store.Watched(ctx)
	if err != nil {
		return err
	}
	datasets, err := s.Store.DatasetSettings(ctx)
	if err != nil {
		return err
	}
	relays := slices.ContainsFunc(datasets, func(d cdc.DatasetSettings) bool { return d.Private && !d.Keyed })
	if watched == 0 && !relays {
		s.log.Warn("no table is watched yet: sqlsync watch TABLE")
	}
	remotes, err := s.Store.Remotes(ctx)
	if err != nil {
		return err
	}
	reachable := discovers
	for _, r := range remotes {
		reachable = reachable || len(r.Addrs) > 0
	}
	switch {
	case len(remotes) == 0 && !listens:
		s.log.Warn("there are no remotes and no --listen: sqlsync remote add NAME KEY --addr HOST:PORT")
	case !reachable && !listens:
		s.log.Warn("no remote has an address and there is no --listen: nobody can meet")
	}
	return nil
}
