package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
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

// textShown is how many bytes of a text people are shown.
const textShown = 200

// text prints a value as a SQL literal, for people; most bounds its bytes.
func text(v wire.Value, most int) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		v = strings.ToValidUTF8(cut(v, most), "\uFFFD")
		if strings.ContainsFunc(v, unicode.IsControl) { // it would break the line
			return strconv.Quote(v)
		}
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []byte:
		return "x'" + hexOf(v, most) + "'"
	}
	b, _ := jsonValue(v)
	return string(b)
}

// hexOf is the hex of a blob, cut where it becomes long.
func hexOf(b []byte, most int) string {
	if most = most / 6; len(b) > most { // a third of what a text may take
		return fmt.Sprintf("%X…", b[:most])
	}
	return fmt.Sprintf("%X", b)
}
