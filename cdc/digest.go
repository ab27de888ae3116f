package cdc

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Digest says what a table holds.
type Digest struct {
	Rows int64
	// Sum is equal for two tables exactly when they hold the same rows: the
	// same columns by name, the same values by type and bytes.
	Sum string
}

// Digest digests tables as they are in one read transaction; nil means every
// watched one. It does not depend on the order of rows or columns, on the
// encoding of the database, or on who is watching: it is the sum, modulo
// 2^256, of a BLAKE2b-256 per row.
func (s *Store) Digest(ctx context.Context, tables []string) (map[string]Digest, error) {
	var watched []string
	list, err := s.Tables(ctx)
	if err != nil {
		return nil, err
	}
	local := make(map[string]bool)
	for _, t := range list {
		if tables == nil && t.Watched && t.Rows >= 0 {
			watched = append(watched, t.Name)
		}
		local[schema.Fold(t.Name)] = t.LocalIDs
	}
	if tables == nil {
		tables = watched
	}
	c, err := sqlconn.Open(ctx, s.db.DB)
	if err != nil {
		return nil, s.explain(err)
	}
	defer c.Close()
	out, err := digestTables(ctx, c, tables, local)
	return out, s.explain(err)
}

// digestTables digests tables in one read transaction; those in local have
// ids of their own on every node.
func digestTables(ctx context.Context, c *sqlconn.Conn, tables []string, local map[string]bool) (map[string]Digest, error) {
	if _, err := c.Exec(`BEGIN`); err != nil {
		return nil, err
	}
	defer c.Exec(`ROLLBACK`)
	out := make(map[string]Digest, len(tables))
	for _, name := range tables {
		def, err := schema.Load(ctx, c, name)
		if err != nil {
			return nil, err
		}
		if out[def.Name], err = digestTable(ctx, c, def, local[schema.Fold(name)]); err != nil {
			return nil, fmt.Errorf("digest %s: %w", name, err)
		}
	}
	return out, nil
}

// digestTable digests one table, without the ids where every node has its own.
func digestTable(ctx context.Context, c *sqlconn.Conn, def *schema.Table, withoutID bool) (Digest, error) {
	var names []string
	for _, i := range def.Stored() {
		if withoutID && i == def.RowidAlias {
			continue
		}
		names = append(names, def.Columns[i].Name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(schema.Fold(a), schema.Fold(b)) })
	list := make([]string, len(names))
	var head []byte
	for i, n := range names {
		list[i] = "+" + schema.Quote(n)
		head = wire.AppendRow(head, []wire.Value{schema.Fold(n)})
	}
	var sum sum256
	var d Digest
	var buf []byte
	err := c.Query(func(row []any) error {
		if d.Rows++; d.Rows%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		buf = append(buf[:0], head...)
		for _, v := range row {
			buf = appendTyped(buf, v)
		}
		sum.add(blake2b.Sum256(buf))
		return nil
	}, `SELECT `+strings.Join(list, ", ")+` FROM main.`+schema.Quote(def.Name))
	d.Sum = sum.String()
	return d, err
}

// appendTyped appends a value with its type, of a length that the bytes before
// the value tell, so that no two rows give the same bytes.
func appendTyped(b []byte, v wire.Value) []byte {
	switch v := v.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'r'), math.Float64bits(v))
	case string:
		b = binary.AppendUvarint(append(b, 't'), uint64(len(v)))
		return append(b, v...)
	case []byte:
		b = binary.AppendUvarint(append(b, 'b'), uint64(len(v)))
		return append(b, v...)
	}
	return append(b, 'n')
}

// sum256 adds digests modulo 2^256.
type sum256 [4]uint64

func (s *sum256) add(h [32]byte) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
}

func (s *sum256) String() string {
	var b []byte
	for _, w := range s {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return hex.EncodeToString(b)
}
