package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestUnreachableAnnouncement(t *testing.T) {
	for _, c := range []struct {
		addrs []string
		warns bool
	}{
		{nil, false},
		{[]string{"127.0.0.1:7117"}, true},
		{[]string{"[::1]:7117", "127.0.0.1:7118"}, true},
		{[]string{"127.0.0.1:7117", "192.168.1.2:7117"}, false},
		{[]string{"0.0.0.0:7117"}, false},
		{[]string{"[::]:7117"}, false},
	} {
		var said bytes.Buffer
		warnUnreachable(&app{grammar: &grammar{}, stderr: &said}, c.addrs)
		if got := said.String(); (got != "") != c.warns || c.warns && (!strings.Contains(got, c.addrs[0]) || !strings.Contains(got, "\nhint: ")) {
			t.Errorf("%v: %q", c.addrs, got)
		}
	}
}
