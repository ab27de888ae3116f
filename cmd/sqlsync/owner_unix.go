//go:build unix

package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf is the user whose the files are, or the folders of patterns.
func ownerOf(files []string) (string, error) {
	owner, of := "", ""
	for _, path := range files {
		fi, err := os.Stat(path)
		if err != nil {
			fi, err = os.Stat(folderOf(path))
		}
		if err != nil {
			return "", hint(fmt.Errorf("no database at %s", path), "check --db")
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			return "", nil
		}
		name := strconv.Itoa(int(st.Uid))
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		if owner != "" && name != owner {
			return "", hint(fmt.Errorf("%s belongs to %s, and %s to %s", of, owner, path, name),
				"--run-as USER says who the service runs as; it has to be able to write to all of them")
		}
		owner, of = name, path
	}
	return owner, nil
}
