package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"sqlsync/wire"
)

// row is named values that marshal to a JSON object in their order.
type row []column

type column struct {
	name  string
	value wire.Value
}

// MarshalJSON keeps the order of the columns.
func (r row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(c.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		v, err := jsonValue(c.value)
		if err != nil {
			return nil, err
		}
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// exactInt is the greatest integer that every JSON reader keeps.
const exactInt = 1 << 53

// jsonValue marshals one SQLite value so that its type and bytes can be told
// from the result: an integer has no point, a real has one or an exponent, and
// what JSON has no word for is an object.
func jsonValue(v wire.Value) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		if v > exactInt || v < -exactInt {
			return json.Marshal(map[string]string{"$int": strconv.FormatInt(v, 10)})
		}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return json.Marshal(map[string]string{"$real": strconv.FormatFloat(v, 'g', -1, 64)})
		}
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return []byte(s), nil
	case string:
		if !utf8.ValidString(v) {
			return json.Marshal(map[string]string{"$text": base64.StdEncoding.EncodeToString([]byte(v))})
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err := e.Encode(v)
		return bytes.TrimRight(b.Bytes(), "\n"), err
	case []byte:
		return json.Marshal(map[string]string{"$blob": base64.StdEncoding.EncodeToString(v)})
	}
	return json.Marshal(v)
}

// text prints a value as a SQL literal, for people.
func text(v wire.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return "'" + strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "'", "''") + "'"
	case []byte:
		return "x'" + strings.ToUpper(hexOf(v)) + "'"
	}
	b, _ := jsonValue(v)
	return string(b)
}

// hexOf is the hex of a blob, cut where it becomes long.
func hexOf(b []byte) string {
	const most = 32
	const digits = "0123456789abcdef"
	var s strings.Builder
	for i, c := range b {
		if i == most {
			s.WriteString("…")
			break
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}
