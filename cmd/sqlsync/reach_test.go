package main

import (
	"fmt"
	"net"
	"testing"
	"time"
)

func TestReachable(t *testing.T) {
	addrs := func(list ...string) (out []net.Addr) {
		for _, s := range list {
			ip, n, err := net.ParseCIDR(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return out
	}
	for _, test := range []struct {
		local []net.Addr
		only4 bool
		want  string
	}{
		{addrs("127.0.0.1/8", "::1/128", "fe80::1/64", "2001:db8::1/64", "fd00::1/64", "203.0.113.9/24", "192.168.1.20/24"), false,
			"[192.168.1.20 203.0.113.9 fd00::1 2001:db8::1]"},
		{addrs("127.0.0.1/8", "fd00::1/64", "10.0.0.1/8"), true, "[10.0.0.1]"},
		{addrs("127.0.0.1/8", "::1/128", "fe80::1/64"), false, "[127.0.0.1 ::1]"},
		{nil, false, "[]"},
	} {
		if got := fmt.Sprint(reachable(test.local, test.only4)); got != test.want {
			t.Errorf("reachable = %s, want %s", got, test.want)
		}
	}
	if got := fmt.Sprint(reach("192.168.1.20:7117")); got != "[192.168.1.20:7117]" {
		t.Errorf("reach = %s", got)
	}
	if got := reach("[::]:7117"); len(got) == 0 {
		t.Error("no address of a listener on all of them")
	}
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]string{"never": "0s", "30d": "720h0m0s", "90m": "1h30m0s", "1s": "1s"} {
		var l lifetime
		if err := l.UnmarshalText([]byte(text)); err != nil || fmt.Sprint(time.Duration(l)) != want {
			t.Errorf("%s = %v, %v", text, time.Duration(l), err)
		}
	}
	for _, text := range []string{"", "0", "0d", "-1h", "999999d", "1w", "d", "1ms", "-1d"} {
		var l lifetime
		if err := l.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %v", text, time.Duration(l))
		}
	}
}
