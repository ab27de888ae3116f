package main

import (
	"encoding/xml"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// unit is a service as a service manager is told of it.
type unit struct {
	Name    string
	Program string
	Args    []string
	// User is who it runs as; empty is whoever the service manager has.
	User string
	// PerUser says that it is a service of one user, whose folder is Home.
	PerUser   bool
	Home      string
	Databases []string
	// Folders are all that it writes to.
	Folders []string
	// LowPort says that it listens below 1024, Discover that it looks at the
	// machine's networks.
	LowPort, Discover bool
}

// text is what service install --print shows.
func (u *unit) text(goos string) string {
	switch goos {
	case "linux":
		return u.systemd()
	case "darwin":
		return u.launchd()
	}
	words := make([]string, 0, len(u.Args)+1)
	for _, w := range append([]string{u.Program}, u.Args...) {
		if strings.ContainsAny(w, " \t*?") {
			w = `"` + w + `"`
		}
		words = append(words, w)
	}
	return strings.Join(words, " ") + "\n"
}

var units = template.Must(template.New("").Funcs(template.FuncMap{
	"word": systemdWord, "path": systemdPath, "xml": xmlText, "join": strings.Join,
}).Parse(systemdUnit + launchdList))

func (u *unit) systemd() string { return u.render("systemd") }
func (u *unit) launchd() string { return u.render("launchd") }

func (u *unit) render(name string) string {
	var b strings.Builder
	if err := units.ExecuteTemplate(&b, name, u); err != nil {
		panic(err) // the template itself is wrong
	}
	return b.String()
}

// Command is the command line for systemd.
func (u *unit) Command() string {
	words := []string{systemdPath(u.Program)} // no $ is replaced in it
	for _, w := range u.Args {
		words = append(words, systemdWord(w))
	}
	return strings.Join(words, " ")
}

// Temporary says that a database is in a folder that PrivateTmp would hide.
func (u *unit) Temporary() bool { return u.under("/tmp", "/var/tmp") }

// AtHome says that a database is in a folder that ProtectHome would hide.
func (u *unit) AtHome() bool { return u.under("/home", "/root", "/run/user") }

func (u *unit) under(roots ...string) bool {
	return slices.ContainsFunc(u.Folders, func(dir string) bool {
		return slices.ContainsFunc(roots, func(root string) bool {
			return dir == root || strings.HasPrefix(dir, root+string(filepath.Separator))
		})
	})
}

// Log is the file that launchd has it log to.
func (u *unit) Log() string { return path.Join(u.Home, "/Library/Logs", u.Name+".log") }

// systemdPath quotes a path: specifiers begin with a percent sign.
func systemdPath(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s)
	if s == "" || strings.ContainsAny(s, " \t'\";\\") {
		return `"` + s + `"`
	}
	return s
}

// systemdWord quotes a word of a command line, in which variables are replaced.
func systemdWord(s string) string { return systemdPath(strings.ReplaceAll(s, "$", "$$")) }

func xmlText(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // into memory
	return b.String()
}

// What the service may do beyond nothing: see its databases and their folders,
// and talk TCP.
const systemdUnit = `{{define "systemd"}}# Installed by sqlsync service install; changes belong into
# systemctl{{if .PerUser}} --user{{end}} edit {{.Name}}.
[Unit]
Description=sqlsync: replication of SQLite databases
{{- if not .PerUser}}
Wants=network-online.target
After=network-online.target
{{- end}}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={{.Command}}
EnvironmentFile=-{{if .PerUser}}%h/.config/sqlsync/{{.Name}}.env{{else}}/etc/sqlsync/{{.Name}}.env{{end}}
{{- if .User}}
User={{.User}}
{{- end}}
Restart=on-failure
RestartSec=2s
RestartPreventExitStatus=2
WatchdogSec=60s
TimeoutStopSec=20s
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
{{- if not .PerUser}}
ProtectSystem=strict
{{- range .Folders}}
ReadWritePaths={{path .}}
{{- end}}
ProtectHome={{if .AtHome}}read-only{{else}}yes{{end}}
PrivateTmp={{if .Temporary}}no{{else}}yes{{end}}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX{{if .Discover}} AF_NETLINK{{end}}
RestrictNamespaces=yes
RestrictSUIDSGID=yes
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
CapabilityBoundingSet={{if .LowPort}}CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE{{end}}
{{- end}}

[Install]
WantedBy={{if .PerUser}}default{{else}}multi-user{{end}}.target
{{end}}`

const launchdList = `{{define "launchd"}}<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{{xml .Name}}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{{xml .Program}}</string>
{{- range .Args}}
		<string>{{xml .}}</string>
{{- end}}
	</array>
{{- if .User}}
	<key>UserName</key>
	<string>{{xml .User}}</string>
{{- end}}
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>2</integer>
	<key>ExitTimeOut</key>
	<integer>20</integer>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	<string>{{xml .Log}}</string>
</dict>
</plist>
{{end}}`
