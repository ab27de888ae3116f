package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/merge"
	"sqlsync/wire"
)

type snapshotCmd struct {
	Export snapshotExportCmd `cmd:"" help:"Write datasets, as they are now, into a file."`
	Import snapshotImportCmd `cmd:"" help:"Merge such a file: what is newer here stays, other datasets are not touched."`
}

// A snapshot file is this line, messages as peers exchange them, and the
// BLAKE2b-256 of all that. Each dataset begins with its Schema and ends with
// the part whose cursor is empty.
const snapshotMagic = "sqlsync snapshot 1\n"

var errNoSnapshot = errors.New("it does not begin like one")

type snapshotExportCmd struct {
	File    string   `arg:"" help:"The file to write. It must not exist."`
	Dataset []string `sep:"none" placeholder:"NAME" complete:"dataset" help:"A dataset; may be repeated. All of them if left out."`
}

// Run writes a snapshot file, whole or not at all.
func (c *snapshotExportCmd) Run(ctx context.Context, a *app) (err error) {
	if c.File == "-" {
		return usage("a snapshot is written to a file, not to standard output", "name a file: it is there when it is whole, and not before")
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return hint(fmt.Errorf("there is nothing to export: %s is not set up for sqlsync yet", a.DB[0]), "sqlsync watch TABLE begins")
	}
	defer store.Close()
	names := c.Dataset
	if len(names) == 0 {
		names = store.Datasets()
	}
	if _, err := os.Lstat(c.File); err == nil {
		return hint(fmt.Errorf("%s exists", c.File), "choose another name, or remove it first")
	}
	part := c.File + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return hint(fmt.Errorf("write %s: %w", c.File, errors.Unwrap(err)), "check that its folder is there and can be written to")
	}
	defer os.Remove(part)
	defer f.Close()
	rows, err := export(ctx, store, names, f)
	switch {
	case errors.Is(err, cdc.ErrNoDataset):
		known := datasetNames(ctx, store)
		i := slices.IndexFunc(names, func(n string) bool { return !slices.Contains(known, n) })
		return noDataset(names[max(i, 0)], known)
	case err != nil:
		return explain(store.Path(), err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := os.Rename(part, c.File); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if !a.JSON {
		a.printf("%s: %s, %s\n", c.File, plural.Of(len(names), "dataset"), plural.Of(rows, "change"))
		return nil
	}
	return a.printJSON(map[string]any{"file": c.File, "datasets": names, "changes": rows})
}

func export(ctx context.Context, store *cdc.Store, names []string, to io.Writer) (changes int, err error) {
	sum, _ := blake2b.New256(nil)
	buf := bufio.NewWriterSize(to, 1<<16)
	out := io.MultiWriter(buf, sum)
	if _, err := io.WriteString(out, snapshotMagic); err != nil {
		return 0, err
	}
	w := wire.NewWriter(out)
	if err := readable(ctx, store, names); err != nil {
		return 0, err
	}
	for _, name := range names {
		stream := store.Stream(name)
		schema, err := stream.Schema(ctx)
		if err != nil {
			return 0, err
		}
		schema.Datasets = []string{name}
		if err := w.Write(schema); err != nil {
			return 0, err
		}
		for req := (&wire.SnapshotRequest{}); req != nil; {
			part, err := stream.Snapshot(ctx, req, nil)
			if err != nil {
				return 0, err
			}
			for _, p := range part.Parts {
				if _, dir, err := p.Header(); err == nil {
					changes += dir[0].Changes
				}
			}
			if err := w.Write(part); err != nil {
				return 0, err
			}
			if req = nil; len(part.Cursor) > 0 {
				req = &wire.SnapshotRequest{Cursor: part.Cursor}
			}
		}
	}
	if err := buf.Flush(); err != nil {
		return 0, err
	}
	_, err = to.Write(sum.Sum(nil))
	return changes, err
}

type snapshotImportCmd struct {
	File    string   `arg:"" type:"path" help:"The file."`
	Dataset []string `sep:"none" placeholder:"NAME" help:"A dataset of the file; may be repeated. All of them if left out."`
	Yes     bool     `hidden:"" help:"Do not ask; a merge replaces nothing, so nothing is asked."`
}

// Run merges a snapshot file. It is read whole before anything is changed. Its
// checksum stands for it in place of a peer: the same file goes on where it was
// broken off.
func (c *snapshotImportCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	file, found, schemas, err := c.check()
	if errors.Is(err, fs.ErrNotExist) {
		return usage("no snapshot at "+c.File, "name a file that sqlsync snapshot export made")
	}
	if isFolder(c.File) {
		return usage(c.File+" is a folder", "name a file that sqlsync snapshot export made")
	}
	if errors.Is(err, errNoSnapshot) {
		return usage(c.File+" is not a snapshot", "name a file that sqlsync snapshot export made")
	}
	if opening := (*fs.PathError)(nil); errors.As(err, &opening) {
		return hint(fmt.Errorf("read snapshot: %w", err), "check its permissions")
	}
	if err != nil {
		return hint(fmt.Errorf("%s is not a whole snapshot: %w", c.File, err), "copy it again, or make another: sqlsync snapshot export")
	}
	for _, name := range c.Dataset {
		if !slices.Contains(found, name) {
			return hint(fmt.Errorf("no dataset %q in %s", name, c.File), "it has %v", found)
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := cdc.CreateFile(ctx, path); err != nil {
			return explain(path, err)
		}
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	from, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	for i, name := range found {
		if len(c.Dataset) > 0 && !slices.Contains(c.Dataset, name) {
			continue
		}
		if err := store.Agrees(ctx, schemas[i]); err != nil {
			return explain(path, err)
		}
	}
	for _, name := range found {
		if len(c.Dataset) > 0 && !slices.Contains(c.Dataset, name) {
			continue
		}
		switch err := store.Stream(name).BeginImport(ctx, file, from); {
		case errors.Is(err, cdc.ErrNoDataset): // it is made when it is its turn
		case err != nil:
			return explain(path, err)
		}
	}
	n := 0
	var merged []byte // the cursor behind which a dataset goes on, nil for none
	err = c.read(func(dataset string, m wire.Message) error {
		if len(c.Dataset) > 0 && !slices.Contains(c.Dataset, dataset) {
			return nil
		}
		switch m := m.(type) {
		case *wire.Schema:
			n++
			if _, err := store.Create(ctx, dataset, m); err != nil {
				return err
			}
			if err := store.Stream(dataset).BeginImport(ctx, file, from); err != nil {
				return err
			}
			begun, err := store.Stream(dataset).TakeSnapshot(ctx, file, nil)
			if err != nil {
				return err
			}
			if merged = begun.Cursor; len(merged) > 0 {
				a.say("%s: going on with an import that was broken off", dataset)
			}
		case *wire.SnapshotPart:
			if len(merged) == 0 {
				_, err := store.Stream(dataset).TakeSnapshot(ctx, file, m)
				return err
			}
			if bytes.Equal(m.Cursor, merged) {
				merged = nil
			}
		}
		return nil
	})
	if err != nil {
		return explain(path, err)
	}
	if !a.JSON {
		a.printf("%s: merged %s\n", c.File, plural.Of(n, "dataset"))
		return nil
	}
	return a.printJSON(map[string]any{"file": c.File, "datasets": n})
}

// importRemedy is the command that settles an import that was broken off.
func importRemedy(i cdc.Import) string {
	return fmt.Sprintf("sqlsync snapshot import %s --dataset %s goes on; so does a newer snapshot of it", cell(i.File), i.Dataset)
}

func importWarning(i cdc.Import) string {
	return fmt.Sprintf("dataset %s has only a part of %s, whose import was broken off: %s", i.Dataset, cell(i.File), importRemedy(i))
}

// readMagic reads the line with which a snapshot begins.
func readMagic(r io.Reader) error {
	magic := make([]byte, len(snapshotMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != snapshotMagic {
		return errNoSnapshot
	}
	return nil
}

// check reads the file, makes sure of its checksum, and lists its datasets.
func (c *snapshotImportCmd) check() (checksum merge.NodeID, datasets []string, schemas []*wire.Schema, err error) {
	f, err := os.Open(c.File)
	if err != nil {
		return checksum, nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return checksum, nil, nil, err
	}
	if fi.Size() < int64(len(snapshotMagic)+blake2b.Size256) {
		return checksum, nil, nil, io.ErrUnexpectedEOF
	}
	sum, _ := blake2b.New256(nil)
	if err := readMagic(io.TeeReader(f, sum)); err != nil {
		return checksum, nil, nil, err
	}
	if _, err := io.CopyN(sum, f, fi.Size()-int64(len(snapshotMagic)+blake2b.Size256)); err != nil {
		return checksum, nil, nil, err
	}
	want := make([]byte, blake2b.Size256)
	if _, err := io.ReadFull(f, want); err != nil {
		return checksum, nil, nil, err
	}
	if string(sum.Sum(nil)) != string(want) {
		return checksum, nil, nil, errors.New("its checksum does not match")
	}
	open := false
	err = c.read(func(dataset string, m wire.Message) error {
		switch m := m.(type) {
		case *wire.Schema:
			datasets, schemas, open = append(datasets, dataset), append(schemas, m), true
		case *wire.SnapshotPart:
			open = len(m.Cursor) > 0
		default:
			return fmt.Errorf("%T in it", m)
		}
		return nil
	})
	if err == nil && open {
		err = io.ErrUnexpectedEOF
	}
	return merge.NodeID(want), datasets, schemas, err
}

// read calls fn for every message with the dataset that it belongs to.
func (c *snapshotImportCmd) read(fn func(dataset string, m wire.Message) error) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(f, fi.Size()-blake2b.Size256), 1<<16)
	if err := readMagic(in); err != nil {
		return err
	}
	r := wire.NewReader(in, wire.Limits{MaxMessage: 1200 << 20})
	dataset := ""
	for {
		m, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if s, ok := m.(*wire.Schema); ok && len(s.Datasets) == 1 {
			dataset = s.Datasets[0]
		} else if dataset == "" {
			return errors.New("it does not say of which dataset it is")
		}
		if err := fn(dataset, m); err != nil {
			return err
		}
	}
}
