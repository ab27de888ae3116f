//go:build linux

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemdSession runs a script under a systemd of its own: a user's, in namespaces that
// end with the script. What it may see of the machine it can only read, but for
// the folder of the test.
const systemdSession = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
/lib/systemd/systemd --user --unit=basic.target >"$HOME/systemd.log" 2>&1 &
manager=$!
up() { systemctl --user is-system-running 2>/dev/null | grep -q running; }
soon() { n=0; until "$@"; do n=$((n+1)); [ $n -lt 600 ] || { echo "waited in vain for $*"; exit 1; }; sleep 0.1; done; }
get() { systemctl --user show sqlsync -p "$1" --value; }
is() { [ "$(get "$1")" = "$2" ]; }
s() { "$SQLSYNC" --db "$HOME/shop.db" "$@" 2>&1; }
( soon up ) || { echo "SKIPPED: systemd does not come up"; exit 0; }
`

// The service is installed, started, started again when it was killed, stopped
// and removed by a real systemd.
func TestServiceUnderSystemd(t *testing.T) {
	for _, program := range []string{"unshare", "systemctl", "/lib/systemd/systemd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: no service is run by a systemd: %v", err)
		}
	}
	apart := []string{"--mount", "--pid", "--fork", "--mount-proc", "--ipc", "--uts", "--cgroup"}
	if out, err := exec.Command("unshare", append(apart, "mount", "-t", "tmpfs", "tmpfs", "/run")...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no service is run by a systemd: no namespaces here: %s", out)
	}
	home := t.TempDir()
	n := newNode(t, home, "shop")
	n.sqlite(`CREATE TABLE items (id INTEGER PRIMARY KEY, v)`)
	n.must("watch", "items")
	script := filepath.Join(home, "script")
	if err := os.WriteFile(script, []byte(systemdSession+`
s service uninstall --user || echo "first: $?"
s service install --user --peer-exchange=false
s service install --user || echo "again: $?"
s service start --user
is Type notify
soon is ActiveState active
s service status --user
kill -9 "$(get MainPID)"
soon is NRestarts 1
soon is ActiveState active
s status | grep 'being served'
get StatusText
s service stop --user
is Result success
is ActiveState inactive
s service uninstall --user
s service status --user || echo "last: $?"
kill $manager
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", append(apart, "sh", script)...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR=/run/user/0", "XDG_CONFIG_HOME="+home+"/.config", "SQLSYNC="+binary,
		"SYSTEMD_LOG_TARGET=console", "DBUS_SESSION_BUS_ADDRESS=")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "SKIPPED") {
		t.Skipf("%s", out)
	}
	told := fmt.Sprintf("%s\n%v", out, err)
	for _, want := range []string{
		"no service sqlsync is installed\n", "first: 1\n", "installed sqlsync", "again: 1\n", "started sqlsync", "sqlsync is running\n",
		"1 database served", "stopped sqlsync", "uninstalled sqlsync", "sqlsync is not installed\nlast: 1\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if err != nil || t.Failed() {
		log, _ := os.ReadFile(filepath.Join(home, "systemd.log"))
		t.Errorf("%s\n%s", told, log)
	}
}
