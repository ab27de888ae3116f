package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	manager "github.com/kardianos/service"
)

type serviceCmd struct {
	Install   serviceInstallCmd   `cmd:"" help:"Have the service manager run serve, from now on and after every start of the machine."`
	Uninstall serviceUninstallCmd `cmd:"" help:"Stop the service and take it from the service manager."`
	Start     serviceStartCmd     `cmd:"" help:"Start the service."`
	Stop      serviceStopCmd      `cmd:"" help:"Stop the service, until the machine starts again."`
	Status    serviceStatusCmd    `cmd:"" help:"Say whether the service is running; exit 1 if it is not."`
}

// serviceFlags say which service is meant.
type serviceFlags struct {
	Name string `default:"sqlsync" help:"What the service is called: several can be installed."`
	User bool   `help:"A service of your own, which runs while you are logged in (systemd, launchd)."`
}

// managers are the service managers that a service can be installed with.
var managers = []string{"linux-systemd", "darwin-launchd", "windows-service"}

// open returns the service for the service manager of this machine.
func (f *serviceFlags) open(spec *unit) (manager.Service, error) {
	if !slices.Contains(managers, manager.Platform()) {
		return nil, hint(errors.New("no service manager that sqlsync knows is running here: it needs systemd, launchd or Windows"),
			"run sqlsync serve by whatever starts programs here; docs/service.md says what it expects; service install --print shows a systemd unit")
	}
	c := &manager.Config{Name: f.Name, DisplayName: f.Name, Description: "sqlsync: replication of SQLite databases",
		Option: manager.KeyValue{"UserService": f.User, "OnFailure": "restart", "OnFailureDelayDuration": "2s"}}
	if spec != nil {
		c.Executable, c.Arguments, c.UserName = spec.Program, spec.Args, spec.User
		switch runtime.GOOS {
		case "linux":
			c.Option["SystemdScript"] = spec.systemd()
		case "darwin":
			c.Option["LaunchdConfig"] = spec.launchd()
		}
	}
	return manager.New(idle{}, c)
}

// idle stands for the program where the service is managed only.
type idle struct{}

func (idle) Start(manager.Service) error { return nil }
func (idle) Stop(manager.Service) error  { return nil }

// explain adds what to do to the errors of service managers.
func (f *serviceFlags) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	err = fmt.Errorf("%s service %s: %w", what, f.Name, err)
	switch {
	case strings.Contains(text, "already exists"):
		return hint(err, "sqlsync service uninstall --name %s comes first; another --name installs another", f.Name)
	case errors.Is(err, fs.ErrPermission), strings.Contains(text, "access is denied"), strings.Contains(text, "authentication required"):
		return hint(err, "run it as root or administrator, or with --user for a service of your own")
	case errors.Is(err, manager.ErrNotInstalled), errors.Is(err, fs.ErrNotExist), strings.Contains(text, "does not exist"), strings.Contains(text, "not loaded"), strings.Contains(text, "not found"):
		return hint(err, "sqlsync service install makes it; --name and --user say which is meant")
	case errors.As(err, new(*exec.Error)):
		return hint(err, "the service manager's own program is missing")
	}
	return hint(err, "the service manager's log may say more: journalctl -u %s", f.Name)
}

type serviceInstallCmd struct {
	serviceFlags
	Print bool     `help:"Print what would be installed, and change nothing."`
	RunAs string   `placeholder:"USER" help:"Who the service runs as; the owner of the databases if not given."`
	Serve serveCmd `embed:""`
}

// Run installs the service.
func (c *serviceInstallCmd) Run(ctx context.Context, a *app, k *kong.Context) error {
	if err := c.Serve.check(a); err != nil {
		return err
	}
	spec, err := c.spec(a, k)
	if err != nil {
		return err
	}
	if c.Print {
		a.printf("%s", spec.text(runtime.GOOS))
		return nil
	}
	s, err := c.open(spec)
	if err != nil {
		return err
	}
	if err := c.fit(ctx, a, spec); err != nil {
		return err
	}
	if err := s.Install(); err != nil {
		return c.explain("install", err)
	}
	a.say("installed %s; sqlsync service start%s starts it", c.Name, c.suffix())
	return nil
}

// suffix repeats the flags that name the service.
func (f *serviceFlags) suffix() (s string) {
	if f.Name != "sqlsync" {
		s = " --name " + f.Name
	}
	if f.User {
		s += " --user"
	}
	return s
}

// installed makes sure that there is such a service, as far as its manager says.
func (f *serviceFlags) installed(s manager.Service) error {
	if _, err := s.Status(); errors.Is(err, manager.ErrNotInstalled) {
		return hint(fmt.Errorf("no service %s is installed", f.Name), "sqlsync service install%s installs it; --name and --user say which is meant", f.suffix())
	}
	return nil
}

type serviceUninstallCmd struct{ serviceFlags }

// Run uninstalls the service. Databases and keys stay.
func (c *serviceUninstallCmd) Run(a *app) error {
	s, err := c.open(nil)
	if err != nil {
		return err
	}
	if err := c.installed(s); err != nil {
		return err
	}
	if st, err := s.Status(); err == nil && st == manager.StatusRunning {
		if err := s.Stop(); err != nil {
			return c.explain("stop", err)
		}
	}
	if err := s.Uninstall(); err != nil {
		return c.explain("uninstall", err)
	}
	a.say("uninstalled %s; databases and keys are as they were", c.Name)
	return nil
}

type serviceStartCmd struct{ serviceFlags }

// Run starts the service.
func (c *serviceStartCmd) Run(a *app) error {
	s, err := c.open(nil)
	if err != nil {
		return err
	}
	if err := c.installed(s); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return c.explain("start", err)
	}
	a.say("started %s", c.Name)
	return nil
}

type serviceStopCmd struct{ serviceFlags }

// Run stops the service.
func (c *serviceStopCmd) Run(a *app) error {
	s, err := c.open(nil)
	if err != nil {
		return err
	}
	if err := c.installed(s); err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return c.explain("stop", err)
	}
	a.say("stopped %s", c.Name)
	return nil
}

type serviceStatusCmd struct{ serviceFlags }

// Run says whether the service is running.
func (c *serviceStatusCmd) Run(a *app) error {
	s, err := c.open(nil)
	if err != nil {
		return err
	}
	state := "failed"
	switch st, err := s.Status(); {
	case errors.Is(err, manager.ErrNotInstalled):
		state = "not installed"
	case err == nil && st == manager.StatusRunning:
		state = "running"
	case err == nil && st == manager.StatusStopped:
		state = "stopped"
	case err != nil && !strings.Contains(err.Error(), "failed"):
		return c.explain("ask for", err)
	}
	if a.JSON {
		err = a.printJSON(map[string]string{"name": c.Name, "state": state})
	} else {
		a.printf("%s is %s\n", c.Name, state)
	}
	if err == nil && state != "running" {
		return errQuiet
	}
	return err
}

// program is the path by which the service manager starts this program.
func program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
