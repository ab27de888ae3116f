package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
)

func TestPeerClock(t *testing.T) {
	for _, c := range []struct {
		a      reached
		state  string
		detail string
	}{
		{reached{}, "", ""},
		{reached{told: true, skew: -time.Second}, checkOK, "within 2s"},
		{reached{told: true, skew: 3 * time.Second}, checkWarning, "it is 3s ahead of this machine's"},
		{reached{told: true, skew: -time.Hour}, checkFailure, "it is 1h0m0s behind this machine's"},
	} {
		d := &doctor{}
		d.checkPeerClock("b", c.a)
		if c.state == "" {
			if len(d.report.Checks) > 0 {
				t.Errorf("of a clock that nobody told: %v", d.report.Checks)
			}
			continue
		}
		got := d.report.Checks[0]
		if got.Name != "clock of b" || got.State != c.state || !strings.Contains(got.Detail, c.detail) || (got.Remedy == "") != (c.state == checkOK) {
			t.Errorf("%v: %+v", c.a.skew, got)
		}
	}
}

func TestLogSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for size, state := range map[int64]string{1000: checkOK, walLarge + 1: checkWarning} {
		if err := os.WriteFile(path+"-wal", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path+"-wal", size); err != nil {
			t.Fatal(err)
		}
		d := &doctor{path: path, ex: &cdc.Examination{JournalMode: "wal"}}
		d.checkWAL()
		if got := d.report.Checks; len(got) != 1 || got[0].State != state {
			t.Errorf("%d bytes: %+v", size, got)
		}
	}
}

func TestScrub(t *testing.T) {
	t.Setenv(passphraseEnv, `a "word"`)
	key := "sqlsync1" + strings.Repeat("q", 60)
	got := string(scrub([]byte(`{"a":"SQLSYNC-SECRET1QQQ sqlsync-ticket1abc https://me:pass@host/ a \"word\" a "word" ` + key + `","b":"policy sql:max(:local, 'x\"y') of t","c":"CHECK constraint failed: pin <> 'x'"}`)))
	want := `{"a":"[left out] [left out] https://[left out]@host/ [left out] [left out] sqlsync1qqqqqqqq…","b":"policy sql:[left out]","c":"CHECK constraint failed: [left out]"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
