//go:build !unix

package mesh

// inodeLockPath names nothing: what has no inodes has no lock by them.
func inodeLockPath(string) (path string, linked bool) { return "", false }
