package cdc

import (
	"sqlsync/schema"
	"sqlsync/wire"
)

// initial is the value of a column in rows that were there before it was
// added: the default as the column's affinity stores it,
// https://www.sqlite.org/datatype3.html §3.
func (t *tx) initial(col schema.Column) (v wire.Value) {
	if !col.HasDefault {
		return nil
	}
	as := `v`
	switch col.Affinity {
	case schema.Text:
		as = `CASE WHEN typeof(v) IN ('integer', 'real') THEN CAST(v AS TEXT) ELSE v END`
	case schema.Integer, schema.Numeric:
		// A comparison makes a number of a text that is one, and only then.
		as = `CASE WHEN typeof(v) = 'text' AND CAST(v AS NUMERIC) = v THEN CAST(v AS NUMERIC)
			WHEN typeof(v) = 'real' AND CAST(v AS INTEGER) = v THEN CAST(v AS INTEGER) ELSE v END`
	case schema.Real:
		as = `CASE WHEN typeof(v) = 'integer' OR typeof(v) = 'text' AND CAST(v AS REAL) = v THEN CAST(v AS REAL) ELSE v END`
	}
	// A default that is no constant cannot have come with ADD COLUMN.
	_ = t.Query(func(row []any) error { v = row[0]; return nil }, `SELECT `+as+` FROM (SELECT `+col.Default+` AS v)`)
	return v
}
