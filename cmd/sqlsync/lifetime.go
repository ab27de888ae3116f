package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// lifetime is a duration on the command line: Go's units, and d for days. Zero is
// never.
type lifetime time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "never" {
		*l = 0
		return nil
	}
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < time.Second {
		return errors.New("must be a duration of a second or more, for example 90m or 30d")
	}
	*l = lifetime(d)
	return nil
}

// after is the end of a lifetime that begins now, zero for never.
func (l lifetime) after(now time.Time) time.Time {
	if l == 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(l))
}
