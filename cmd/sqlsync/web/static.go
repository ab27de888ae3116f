package web

import (
	"embed"
	"net/http"
	"time"
)

//go:embed static
var static embed.FS

// page answers with one of the embedded pages.
func page(name string) http.Handler {
	return brief(func(w http.ResponseWriter, r *http.Request) {
		b, err := static.ReadFile("static/" + name)
		if err != nil {
			complain(w, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(b)
	})
}

// stamp is a time as pages get it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
