package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

type lookup = func(context.Context) (any, error)

// shown answers with what a verb prints.
func (s *Server) shown(of func(*Database) lookup) http.Handler {
	return brief(func(w http.ResponseWriter, r *http.Request) {
		d, err := s.database(r)
		if err != nil {
			complain(w, err)
			return
		}
		v, err := of(d)(r.Context())
		if err != nil {
			complain(w, err)
			return
		}
		answerJSON(w, http.StatusOK, v)
	})
}

const (
	// mostConflicts and conflictBytes bound what the page is given.
	mostConflicts = 200
	conflictBytes = 32 << 10
)

// conflicts answers with the newest conflicts, the newest first.
func (s *Server) conflicts(w http.ResponseWriter, r *http.Request) {
	d, err := s.database(r)
	if err != nil {
		complain(w, err)
		return
	}
	v, err := d.Show.Conflicts(r.Context())
	if err != nil {
		complain(w, err)
		return
	}
	list, err := rawList(v)
	if err != nil {
		complain(w, err)
		return
	}
	all := len(list)
	list = list[max(0, all-mostConflicts):]
	slices.Reverse(list)
	for i := range list {
		list[i] = cut(list[i], conflictBytes, "winner", "loser")
	}
	answerJSON(w, http.StatusOK, map[string]any{"conflicts": list, "all": all, "resolvable": d.Resolve != nil})
}

func rawList(v any) (list []json.RawMessage, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	return list, err
}

// cut leaves fields out of a JSON object that is larger than limit, and says
// so in a field of its own: a page is no place for a blob of megabytes.
func cut(object []byte, limit int, fields ...string) json.RawMessage {
	if len(object) <= limit {
		return object
	}
	m := make(map[string]json.RawMessage)
	if err := json.Unmarshal(object, &m); err != nil {
		return json.RawMessage(`{}`)
	}
	for _, f := range fields {
		m[f] = json.RawMessage(`{}`)
	}
	m["cut"] = json.RawMessage(`true`)
	b, err := json.Marshal(m)
	if err != nil || len(b) > limit {
		return json.RawMessage(fmt.Sprintf(`{"cut":true,"id":%s}`, orNull(m["id"])))
	}
	return b
}

func orNull(b json.RawMessage) json.RawMessage {
	if b == nil {
		return json.RawMessage("null")
	}
	return b
}

// resolve does something about a conflict.
func (s *Server) resolve(do func(Resolver, context.Context, string) error) http.Handler {
	return brief(func(w http.ResponseWriter, r *http.Request) {
		d, err := s.database(r)
		switch {
		case err != nil:
		case d.Resolve == nil:
			err = &requestError{http.StatusNotImplemented, "conflicts cannot be resolved here", "sqlsync conflicts restore does it"}
		default:
			err = do(d.Resolve, r.Context(), r.PathValue("id"))
		}
		if err != nil {
			complain(w, err)
			return
		}
		s.live.wake()
		answerJSON(w, http.StatusOK, map[string]bool{"ok": true})
	})
}
