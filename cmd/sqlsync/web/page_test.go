package web_test

import (
	"fmt"
	"testing"

	"sqlsync/cmd/sqlsync/web"
	"sqlsync/e2e/browser"
	"sqlsync/replicate"
)

// TestMeshOfMany looks at a mesh that does not fit on a line.
func TestMeshOfMany(t *testing.T) {
	s := newSite(t, nil)
	for i, state := range []replicate.State{
		replicate.Connected, replicate.Connected, replicate.Retrying, replicate.Refused, replicate.Idle, replicate.Connected, replicate.Connected,
	} {
		s.peer([]string{"till-1", "till-2", "warehouse", "the-office-with-a-very-long-name", "laptop", "depot", "kiosk"}[i], replicate.Status{State: state})
	}
	s.write(`INSERT INTO orders VALUES (1, 'a'), (2, 'b')`)
	b := browser.Open(t, s.run()+"/")
	for _, width := range []int64{1280, 360} {
		b.Screen(width, 700, "light")
		b.Navigate("")
		b.Await(`document.querySelectorAll('#mesh .edge').length === 7`)
		const outside = `[...document.querySelectorAll('#mesh text')].filter((e) => { const t = e.getBoundingClientRect(), s = document.querySelector('#mesh').getBoundingClientRect(); return t.left < s.left || t.right > s.right || t.bottom > s.bottom; }).map((e) => e.textContent).join(', ')`
		if text := browser.Eval[string](b, outside); text != "" {
			t.Errorf("%d pixels: outside of the picture is %s", width, text)
		}
		const over = `(() => { const list = [...document.querySelectorAll('#mesh text')].filter((e) => e.textContent), box = (e) => e.getBoundingClientRect();
			return list.flatMap((a, i) => list.slice(i + 1).filter((b) => box(a).left < box(b).right && box(b).left < box(a).right && box(a).top + 4 < box(b).bottom && box(b).top + 4 < box(a).bottom)
				.map((b) => a.textContent + ' / ' + b.textContent)).join(', '); })()`
		if text := browser.Eval[string](b, over); text != "" {
			t.Errorf("%d pixels: one over the other are %s", width, text)
		}
		b.Shoot(fmt.Sprintf("mesh-%d", width))
	}
	b.CheckTroubles()
}

// TestChoosingADatabase looks at one of two.
func TestChoosingADatabase(t *testing.T) {
	a := newSite(t, nil)
	a.write(`INSERT INTO orders VALUES (1, 'only in a')`)
	s := newSite(t, func(o *web.Options) { o.Databases = append(o.Databases, a.options.Databases...) })
	s.write(`INSERT INTO orders VALUES (1, 'only in b')`)
	b := browser.Open(t, s.run()+"/")
	b.Screen(1000, 700, "dark")
	b.Navigate("")
	b.Await(`document.querySelector('#log').textContent.includes('only in b')`)
	b.TabTo(`document.activeElement.id === 'database'`)
	b.Press("ArrowDown")
	b.Await(`document.querySelector('#log').textContent.includes('only in a')`)
	if browser.Eval[bool](b, `document.querySelector('#log').textContent.includes('only in b')`) {
		t.Error("the log is of both")
	}
	b.Shoot("two")
	b.CheckTroubles()
}
