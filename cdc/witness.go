package cdc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sqlsync/merge"
)

// A witness is a small file beside the database that knows what the database
// was last seen with: which file it was, and its last timestamp. Whoever puts an
// older copy back, or opens a copy elsewhere, has a database that does not agree
// with it. It is written after every commit and never waited for; where it says
// too little, peers still tell (see Confirm).
//
// Three lines: the word that is in the database, the file's inode, and the
// timestamp, always as long.

const witnessFormat = "sqlsync witness 1\n%032x\n%016x\n%016x\n"

const wordLen = 16

type witness struct {
	word  []byte
	inode uint64
	hlc   merge.HLC
}

// readWitness reads one, nil where there is none. An error says that it cannot
// be read, so that nothing is known.
func readWitness(path string) (*witness, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := &witness{}
	n, err := fmt.Sscanf(string(b), "sqlsync witness 1\n%x\n%x\n%x\n", &w.word, &w.inode, &w.hlc)
	if err != nil || n != 3 || len(w.word) != wordLen {
		return nil, nil // what is there is no witness
	}
	return w, nil
}

const noWitness = "no witness: an older copy of the database that is put back is recognised by peers only"

// inode is the number of the file that is open.
func (s *Store) inode() uint64 { return inodeOf(s.file) }

func (w *witness) write(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, witnessFormat, w.word, w.inode, uint64(w.hlc)), 0)
	return err
}

// disagrees says why a database cannot be the one that the witness saw last,
// empty if it may be.
func (w *witness) disagrees(word []byte, inode uint64, hlc merge.HLC) string {
	switch {
	case w == nil:
		return "its witness file is missing: it was copied or put back"
	case string(w.word) != string(word):
		return "its witness file is another's: it was copied or put back"
	case w.inode != inode:
		return "it is another file than before: it was copied or put back"
	case w.hlc > hlc:
		return "it is older than it was: it was put back"
	}
	return ""
}

// attest compares the database with its witness, and makes one where there is
// none. The witness is read first: it is never ahead of a database that it
// agrees with.
func (s *Store) attest(ctx context.Context) error {
	if s.witnessPath == "" {
		return nil
	}
	w, err := readWitness(s.witnessPath)
	if err != nil {
		s.log.Warn(noWitness, "err", err)
		return nil
	}
	var word []byte
	var hlc int64
	if err := s.db.QueryRowxContext(ctx, `SELECT witness, hlc FROM sqlsync_node`).Scan(&word, &hlc); err != nil {
		return err
	}
	if word == nil || w.disagrees(word, s.inode(), merge.HLC(hlc)) != "" {
		if err := s.write(ctx, s.newWitness); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.witnessPath, os.O_RDWR, 0)
	if err != nil {
		s.log.Warn(noWitness, "err", err)
		return nil
	}
	s.witness = f
	return nil
}

// newWitness makes a witness of the database as it is, and another author of it
// where it disagrees with the present one. The file is written before the
// commit: if that fails, the next to open the database makes another.
func (s *Store) newWitness(t *tx) error {
	var word []byte
	if err := t.Query(func(row []any) error {
		word, _ = row[0].([]byte)
		return nil
	}, `SELECT witness FROM sqlsync_node`); err != nil {
		return err
	}
	if word != nil {
		had, err := readWitness(s.witnessPath)
		if err != nil {
			return err
		}
		why := had.disagrees(word, s.inode(), t.clock.Last)
		if why == "" {
			return nil // another process was faster
		}
		// Where it has sealed nothing, its original may have, since it was copied.
		if err := t.vouch(t.author.Node, 0); err != nil {
			return err
		}
		if err := t.renew(why); err != nil {
			return err
		}
	}
	w := &witness{word: make([]byte, wordLen), inode: s.inode(), hlc: t.clock.Last}
	rand.Read(w.word) // never fails
	f, err := os.OpenFile(s.witnessPath, os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		defer f.Close()
		if err = errors.Join(w.write(f), giveTo(f, s.file)); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		s.log.Warn(noWitness, "err", err)
		w.word = nil
	}
	_, err = t.Exec(`UPDATE sqlsync_node SET witness = ?`, w.word)
	return err
}

// testify tells the witness the database's last timestamp.
func (s *Store) testify(hlc merge.HLC) {
	if s.testified = hlc; s.witness == nil {
		return
	}
	at := int64(len("sqlsync witness 1\n") + 2*wordLen + 1 + 16 + 1)
	if _, err := s.witness.WriteAt(fmt.Appendf(nil, "%016x", uint64(hlc)), at); err != nil {
		s.log.Warn("write witness", "err", err)
		s.witness.Close()
		s.witness = nil
	}
}
