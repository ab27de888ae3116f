//go:build !unix

package cdc

import "os"

// inodeOf is a file's number, 0 where it has none.
func inodeOf(os.FileInfo) uint64 { return 0 }
