package cell

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"sqlsync/merge"
)

// idKey is the member by which the elements of an array are told apart.
const idKey = "id"

// parse reads a JSON object or array. Anything else, and text that a JSON
// encoder would not give back whole, is no document.
func parse(v Value) (any, bool) {
	text, ok := v.(string)
	if !ok || !utf8.ValidString(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil || d.More() {
		return nil, false
	}
	if _, err := d.Token(); err == nil {
		return nil, false
	}
	switch doc.(type) {
	case map[string]any, []any:
	default:
		return nil, false
	}
	// A half of a surrogate pair is decoded to U+FFFD and would be lost.
	if half := strings.Contains(strings.ToLower(text), `\ud`); half && strings.ContainsRune(encode(doc), utf8.RuneError) {
		return nil, false
	}
	return doc, true
}

// encode writes JSON in one form: keys in order, no space.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "null" // cannot be: v was decoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// kindOf tells containers from leaves.
func kindOf(v any) kind {
	switch v := v.(type) {
	case map[string]any:
		return object
	case []any:
		if _, ok := byID(v); ok {
			return list
		}
	}
	return leaf
}

// byID returns the elements of an array by their ids, if each is an object
// with an id that is a string or a number and no two have the same.
func byID(array []any) (map[string]any, bool) {
	m := make(map[string]any, len(array))
	for _, e := range array {
		id, ok := elementID(e)
		if _, twice := m[id]; !ok || twice {
			return nil, false
		}
		m[id] = e
	}
	return m, len(array) > 0
}

// elementID is the JSON of an element's id, so that 1 and "1" differ.
func elementID(e any) (string, bool) {
	o, ok := e.(map[string]any)
	if !ok {
		return "", false
	}
	switch id := o[idKey].(type) {
	case string, json.Number:
		return encode(id), true
	}
	return "", false
}

func orderOf(array []any) []string {
	ids := make([]string, len(array))
	for i, e := range array {
		ids[i], _ = elementID(e)
	}
	return ids
}

// members are what a container holds, by step.
func members(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		m, _ := byID(v)
		return m
	}
	return nil
}

// setOps set a whole value in place of whatever there was.
func setOps(v Value) []op {
	ops := wholeOps(v)
	ops[0].clears = true
	return ops
}

// wholeOps write a whole value into an empty tree.
func wholeOps(v Value) []op {
	doc, ok := parse(v)
	if !ok || kindOf(doc) == leaf {
		return []op{{kind: opaque, other: v}}
	}
	return expand(nil, nil, doc)
}

// expand writes a JSON value and all that is in it.
func expand(ops []op, path []string, v any) []op {
	k := kindOf(v)
	if k == leaf {
		return append(ops, op{path: path, kind: leaf, raw: encode(v)})
	}
	ops = append(ops, op{path: path, kind: k})
	m := members(v)
	for _, step := range slices.Sorted(maps.Keys(m)) {
		ops = expand(ops, join(path, step), m[step])
	}
	if k == list {
		ops = append(ops, op{path: path, kind: list, order: orderOf(v.([]any))})
	}
	return ops
}

func join(path []string, step string) []string { return append(slices.Clone(path), step) }

// diff writes what makes the document say value. A document is compared with the
// last one also where something else stands.
func (d *document) diff(value Value) []op {
	doc, ok := parse(value)
	if array, isArray := doc.([]any); isArray && len(array) == 0 && d.root.kind == list && !d.isOpaque() {
		return diff(nil, nil, d.root, merge.Version{}, doc)
	}
	if !ok || kindOf(doc) == leaf {
		return []op{{kind: opaque, other: value}}
	}
	return diff(nil, nil, d.root, merge.Version{}, doc)
}

func diff(ops []op, path []string, n *node, clear merge.Version, v any) []op {
	k := kindOf(v)
	stands := n.there(clear)
	if array, ok := v.([]any); ok && len(array) == 0 && stands && n.kind == list {
		k = list // whose elements were all removed
	}
	if k == leaf {
		if raw := encode(v); !stands || n.kind != leaf || n.raw != raw {
			ops = append(ops, op{path: path, kind: leaf, raw: raw})
		}
		return ops
	}
	if !stands || n.kind != k {
		// Of another kind of container nothing is kept.
		other := stands && n.kind.container()
		if ops = append(ops, op{path: path, kind: k, clears: other}); other {
			n = nil
		}
	}
	m := members(v)
	var below merge.Version
	var kids map[string]*node
	var had []string
	if n != nil {
		below, kids, had = later(clear, n.clear), n.kids, n.elements(later(clear, n.clear))
	}
	for _, step := range slices.Sorted(maps.Keys(m)) {
		ops = diff(ops, join(path, step), kids[step], below, m[step])
	}
	for _, step := range had {
		if _, still := m[step]; !still {
			ops = append(ops, op{path: join(path, step), kind: removed})
		}
	}
	if k == list {
		if order := orderOf(v.([]any)); !slices.Equal(order, had) {
			ops = append(ops, op{path: path, kind: list, order: order})
		}
	}
	return ops
}

// says reports whether a text says what the tree does.
func (n *node) says(text Value) bool {
	doc, ok := parse(text)
	return ok && n.kind.container() && encode(doc) == encode(n.plain(merge.Version{}))
}

// plain makes what encoding/json takes of a node that stands.
func (n *node) plain(clear merge.Version) any {
	if !n.kind.container() {
		return json.RawMessage(n.raw)
	}
	clear = later(clear, n.clear)
	if n.kind == list {
		array := []any{}
		for _, id := range n.elements(clear) {
			array = append(array, n.kids[id].plain(clear))
		}
		return array
	}
	m := make(map[string]any)
	for step, kid := range n.kids {
		if kid.there(clear) {
			m[step] = kid.plain(clear)
		}
	}
	return m
}

// validLeaf reports whether what a peer sent is JSON.
func validLeaf(raw string) bool { return utf8.ValidString(raw) && json.Valid([]byte(raw)) }
