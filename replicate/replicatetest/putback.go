package replicatetest

import (
	"fmt"
	"path/filepath"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// PutBack puts an older copy of the file in its place, if there is one, and keeps
// one else. The application goes on at once.
func (n *Node) PutBack() bool {
	if n.backup == "" {
		n.backup = n.newPath()
		n.copyFile(n.backup, n.path)
		return false
	}
	n.w.Counts.Losses++
	path := n.newPath()
	n.copyFile(path, n.backup)
	n.backup = ""
	n.reopen(path)
	n.look(true)
	return true
}

func (n *Node) witness() string { return filepath.Join(n.w.dir, fmt.Sprintf("%d.witness", n.index)) }

// authorOf numbers the authors that a node becomes, for histories that are the
// same again: salts are not.
func (n *Node) authorOf(salt []byte) cdc.Author {
	id, ok := n.authors[string(salt)]
	if !ok {
		id = merge.NodeID{0, byte(n.index + 1), byte(255 - len(n.authors))}
		n.authors[string(salt)] = id
	}
	return cdc.Author{Node: id, Sign: func(h wire.Hash) []byte {
		n.burn()
		return signature(id, h)
	}}
}
