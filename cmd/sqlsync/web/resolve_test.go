package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"sqlsync/cmd/sqlsync/web"
	"sqlsync/e2e/browser"
)

// desk stands in for a store that can put conflicts right.
type desk struct {
	*site
	did []string
	err error
}

func (d *desk) RestoreConflict(_ context.Context, id string) error { return d.do("restore", id) }
func (d *desk) DismissConflict(_ context.Context, id string) error { return d.do("dismiss", id) }

func (d *desk) do(verb, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, verb+" "+id)
	return d.err
}

func (d *desk) done() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.did, ", ")
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := new(desk)
	d.site = newSite(t, func(o *web.Options) { o.Databases[0].Resolve = d })
	conflict := func(id string, kept, lost any) map[string]any {
		return map[string]any{
			"id": id, "kind": "cell", "table": "orders", "key": map[string]any{"id": id}, "time": "2026-11-21T08:00:00.000Z",
			"winner": map[string]any{"note": kept}, "loser": map[string]any{"note": lost}, "winner_origin": nodeKey(d.store.Node()), "loser_origin": "sqlsync1other",
		}
	}
	d.conflicts = []any{conflict("c1", "<b>first</b>", nil), conflict("c2", "new", "old"), conflict("c3", strings.Repeat("long ", 10000), "short")}
	return d
}

func TestResolve(t *testing.T) {
	d := newDesk(t)
	header := func(r *http.Request) { r.Header.Set("Sqlsync-Request", "1") }
	if w := d.request("POST", "/api/conflicts/c1/restore", header); w.Code != 200 {
		t.Errorf("restore: %d %s", w.Code, w.Body)
	}
	if w := d.request("POST", "/api/conflicts/c2/dismiss", header); w.Code != 200 {
		t.Errorf("dismiss: %d %s", w.Code, w.Body)
	}
	if got := d.done(); got != "restore c1, dismiss c2" {
		t.Errorf("done: %s", got)
	}
	d.err = errors.New("it stands already")
	if w := d.request("POST", "/api/conflicts/c1/restore", header); w.Code != 500 || !strings.Contains(w.Body.String(), "it stands already") {
		t.Errorf("a failure: %d %s", w.Code, w.Body)
	}
}

func TestConflictsAreCut(t *testing.T) {
	d := newDesk(t)
	got := decode[struct {
		Conflicts []struct {
			ID     string
			Cut    bool
			Winner map[string]any
		}
		All        int
		Resolvable bool
	}](t, d.get("/api/conflicts"))
	if got.All != 3 || !got.Resolvable || got.Conflicts[0].ID != "c3" || !got.Conflicts[0].Cut || len(got.Conflicts[0].Winner) != 0 || got.Conflicts[1].Cut {
		t.Errorf("%+v", got)
	}
}

// TestResolveByKeyboard puts a conflict right in a real browser without a
// mouse.
func TestResolveByKeyboard(t *testing.T) {
	d := newDesk(t)
	b := browser.Open(t, d.run()+"/")
	b.Screen(900, 700, "light")
	b.Navigate("")
	b.Await(`document.querySelectorAll('#conflicts article').length === 3`)
	b.Await(`document.querySelectorAll('#conflicts article')[2].innerText.includes('<b>first</b>')`)
	b.Await(`document.querySelector('#conflicts article').innerText.includes('too large')`)
	b.Shoot("conflicts")
	b.TabTo(`document.activeElement.getAttribute('aria-label') === 'Put back what was lost in orders id=c2'`)
	b.Press("Enter")
	b.Await(`document.querySelector('#said').textContent.includes('is back')`)
	if got := d.done(); got != "restore c2" {
		t.Errorf("done: %s", got)
	}
	d.mu.Lock()
	d.err = errors.New("it stands already")
	d.mu.Unlock()
	b.TabTo(`document.activeElement.getAttribute('aria-label') === 'Dismiss the conflict in orders id=c1'`)
	b.Press("Enter")
	b.Await(`document.querySelector('#said').textContent === 'it stands already'`)
	b.Forgive("500 (Internal Server Error)")
	b.CheckTroubles()
}
