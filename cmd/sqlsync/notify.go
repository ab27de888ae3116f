package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd how serve stands, see sd_notify(3). Where nobody
// listens it does nothing.
type notifier struct {
	log      *slog.Logger
	ticker   *time.Ticker
	watchdog bool
	isReady  bool
	said     string // the status as it was told last
}

// statusEvery is how often the status is told, where it has changed.
const statusEvery = 5 * time.Second

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log}
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return n
	}
	every := statusEvery
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("read the watchdog's interval", "err", err)
	}
	if n.watchdog = interval > 0; n.watchdog {
		every = min(every, interval/3)
	}
	n.ticker = time.NewTicker(every)
	return n
}

func (n *notifier) close() {
	if n.ticker != nil {
		n.ticker.Stop()
	}
}

// tick says when alive is to be called.
func (n *notifier) tick() <-chan time.Time {
	if n.ticker == nil {
		return nil
	}
	return n.ticker.C
}

func (n *notifier) ready(status string) {
	if !n.isReady {
		n.isReady, n.said = true, status
		n.send(daemon.SdNotifyReady + "\nSTATUS=" + status)
	}
}

func (n *notifier) alive(status string) {
	if n.watchdog {
		n.send(daemon.SdNotifyWatchdog)
	}
	if status != n.said {
		n.said = status
		n.send("STATUS=" + status)
	}
}

func (n *notifier) stopping() { n.send(daemon.SdNotifyStopping) }

func (n *notifier) send(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("tell systemd", "err", err)
	}
}
