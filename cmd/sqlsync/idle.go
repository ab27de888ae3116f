package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sqlsync/cdc"
)

// checkListen makes sure that an address can be listened on.
func checkListen(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		return usage(fmt.Sprintf("--listen %q is no address to listen on", addr), "use HOST:PORT with a port up to 65535, such as 0.0.0.0:7117")
	}
	return nil
}

// listenRemedy is what to do where an address cannot be listened on.
func listenRemedy(flag string, err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &name):
		return "choose an address that this machine has: " + flag + " 0.0.0.0:PORT is all of them, 127.0.0.1:PORT is reached from here alone"
	case errors.Is(err, fs.ErrPermission):
		return "choose a port above 1023 for " + flag + ": those below are for root, or for a service that sqlsync service install made"
	}
	return "choose another " + flag + " address, or end the program that has it"
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
	passes, err := s.Store.Passes(ctx)
	if err != nil {
		return err
	}
	datasets, err := s.Store.DatasetSettings(ctx)
	if err != nil {
		return err
	}
	unread := slices.ContainsFunc(datasets, func(d cdc.DatasetSettings) bool { return d.Private && !d.Keyed })
	switch {
	case watched > 0:
	case passes || unread:
		s.log.Info("no table is watched: what remotes have is passed on")
	default:
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
