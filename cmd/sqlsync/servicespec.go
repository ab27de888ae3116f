package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

// spec is the service that the command line asks for.
func (c *serviceInstallCmd) spec(a *app, k *kong.Context) (*unit, error) {
	u := &unit{Name: c.Name, PerUser: c.User, User: c.RunAs,
		Discover: c.Serve.Discover || c.Serve.PeerExchange && len(c.Serve.Listen) > 0}
	if c.Name == "" || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return nil, usage(fmt.Sprintf("--name %q", c.Name), "use letters, digits, and - _ .")
	}
	if c.User && c.RunAs != "" {
		return nil, usage("--user and --run-as", "a service of your own runs as you")
	}
	if c.User && runtime.GOOS == "windows" {
		return nil, usage("--user: Windows has no services of users", "leave it out")
	}
	var err error
	if c.User {
		if u.Home, err = os.UserHomeDir(); err != nil {
			return nil, fmt.Errorf("find your folder: %w", err)
		}
	}
	if u.Program, err = program(); err != nil {
		return nil, err
	}
	u.Args = []string{"serve"}
	for _, db := range a.DB {
		abs, err := filepath.Abs(db)
		if err != nil {
			return nil, err
		}
		u.Databases = append(u.Databases, abs)
		u.Args = append(u.Args, "--db", abs)
		if dir := folderOf(abs); !slices.Contains(u.Folders, dir) {
			u.Folders = append(u.Folders, dir)
		}
	}
	args, err := passedOn(k)
	if err != nil {
		return nil, err
	}
	u.Args = append(u.Args, args...)
	for _, addr := range c.Serve.Listen {
		if _, port, err := net.SplitHostPort(addr); err == nil {
			if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1024 {
				u.LowPort = true
			}
		}
	}
	if u.User == "" && !c.User {
		if u.User, err = ownerOf(u.Databases); err != nil {
			return nil, err
		}
	}
	for _, s := range append([]string{u.Program, u.User}, u.Args...) {
		if strings.Contains(s, "{{") || strings.ContainsAny(s, "\n\r\x00") {
			return nil, usage(fmt.Sprintf("%q cannot be part of a service", s), "use another path")
		}
	}
	return u, nil
}

// folderOf is the folder in which the files of a database, or of what a pattern
// matches, are.
func folderOf(db string) string {
	dir := filepath.Dir(db)
	for isPattern(db) && strings.ContainsAny(dir, "*?[") {
		dir = filepath.Dir(dir)
	}
	if real, err := filepath.EvalSymlinks(db); err == nil {
		dir = filepath.Dir(real)
	}
	return dir
}

// passedOn lists the flags of serve that were given, and the global ones.
func passedOn(k *kong.Context) ([]string, error) {
	own := []string{"db", "json", "name", "user", "print", "run-as", "help"}
	var args []string
	for _, p := range k.Path {
		if p.Flag == nil || slices.Contains(own, p.Flag.Name) {
			continue
		}
		own = append(own, p.Flag.Name) // once, with all of its values
		if strings.Contains(p.Flag.Name, "token") {
			return nil, usage("--"+p.Flag.Name+" would be in a file that everybody can read", "put it into the service's environment file, see docs/service.md")
		}
		switch v := k.FlagValue(p.Flag).(type) {
		case bool:
			args = append(args, fmt.Sprintf("--%s=%v", p.Flag.Name, v))
		case []string:
			for _, s := range v {
				args = append(args, "--"+p.Flag.Name, s)
			}
		default:
			args = append(args, fmt.Sprintf("--%s=%v", p.Flag.Name, v))
		}
	}
	return args, nil
}

// fit makes sure that the service can do its work: databases are there, and the
// key files are its user's.
func (c *serviceInstallCmd) fit(ctx context.Context, a *app, u *unit) error {
	for i, db := range u.Databases {
		if isPattern(db) {
			if err := checkPattern(a.DB[i]); err != nil {
				return err
			}
			continue
		}
		if err := cdc.Probe(ctx, db); err != nil {
			return explain(a.DB[i], err)
		}
		if _, err := os.Stat(mesh.KeyPath(db)); err != nil {
			continue // the service makes it
		}
		if _, err := crypto.LoadIdentity(mesh.KeyPath(db)); err != nil {
			return explain(a.DB[i], err)
		}
		if owner, err := ownerOf([]string{mesh.KeyPath(db)}); err == nil && u.User != "" && owner != u.User && c.RunAs == "" {
			return hint(fmt.Errorf("%s belongs to %s, and the service runs as %s", mesh.KeyPath(db), owner, u.User), "chown %s %s", u.User, mesh.KeyPath(db))
		}
	}
	return nil
}
