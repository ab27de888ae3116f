package e2e_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"sqlsync/e2e/browser"
)

var pagesOn = regexp.MustCompile(`pages on (http://[^/]+/)`)

// pages is where a serve has its pages.
func (n *node) pages() string {
	n.tb.Helper()
	m := pagesOn.FindStringSubmatch(n.proc.text())
	if m == nil {
		n.tb.Fatalf("%s has no pages:\n%s", n.name, n.proc.text())
	}
	return m[1]
}

// troubled makes an office with a till in sync, a depot that is never there,
// a conflict and a table that cannot be watched.
func troubled(t *testing.T, flags ...string) *node {
	t.Helper()
	needSqlite3(t)
	dir := t.TempDir()
	office, till := newNode(t, dir, "office"), newNode(t, dir, "till")
	for _, n := range []*node{office, till} {
		n.sqlite(`CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT, price_cents INTEGER); CREATE TABLE notes (line TEXT);
			CREATE TABLE events (id INTEGER PRIMARY KEY, what TEXT, picture BLOB);`)
		n.must("watch", "products")
		n.must("watch", "events", "--dataset", "telemetry")
	}
	depot := newNode(t, dir, "depot")
	depot.must("init")
	office.must("remote", "add", "depot", depot.key(), "--addr", freeAddr(t))
	office.flags = append([]string{"--http", "127.0.0.1:0"}, flags...)
	introduce(office, till)
	office.sqlite(`INSERT INTO products VALUES ('TEA-01', 'Green tea', 450), ('TEA-02', 'Black tea', 400)`)
	office.serve()
	till.serve()
	waitEqual(t, office, till)
	till.stop()
	till.sqlite(`UPDATE products SET price_cents = 500 WHERE sku = 'TEA-01'`)
	office.sqlite(`UPDATE products SET price_cents = 525, name = 'Green tea, loose' WHERE sku = 'TEA-01'`)
	till.serve()
	waitEqual(t, office, till)
	office.sqlite(`INSERT INTO events VALUES (1, 'opened', x'00010203'), (2, NULL, NULL)`)
	waitEqual(t, office, till)
	return office
}

// TestPage looks at the page as people do.
func TestPage(t *testing.T) {
	office := troubled(t)
	b := browser.Open(t, office.pages())
	b.Screen(1280, 900, "light")
	b.Do(chromedp.Navigate(b.Base))
	b.Await(`document.querySelector('#live').textContent === 'ok' || document.querySelector('#live').classList.contains('ok')`)
	b.Await(`document.querySelector('#conflicts .side.lost')?.innerText.includes('500')`)
	b.Await(`document.querySelector('#conflicts .side.kept')?.innerText.includes('525')`)
	b.Await(`document.querySelector('#mesh').textContent.includes('till')`)
	b.Await(`document.querySelector('#mesh .edge.connected') && document.querySelector('#mesh .edge.retrying')`)
	b.Await(`document.querySelector('#tables').textContent.includes('refused')`)
	b.Await(`document.querySelector('#log').textContent.includes('opened')`)

	// What an application commits is on the page without anybody's doing.
	office.sqlite(`INSERT INTO products VALUES ('CUP-01', 'Cup', 900)`)
	b.Await(`document.querySelector('#log li').innerText.includes('CUP-01')`)

	for _, scheme := range []string{"light", "dark"} {
		b.Screen(1280, 900, scheme)
		b.Await(fmt.Sprintf(`matchMedia('(prefers-color-scheme: %s)').matches`, scheme))
		checkContrast(t, b, scheme)
		b.Shoot("wide-" + scheme)
		b.Screen(375, 800, scheme)
		b.Await(`innerWidth === 375 && document.querySelector('#mesh svg').viewBox.baseVal.width < 375`)
		if wide := browser.Eval[int](b, `document.documentElement.scrollWidth`); wide != 375 {
			t.Errorf("on a phone the page is %d pixels wide: %s", wide, browser.Eval[string](b, widest))
		}
		b.Shoot("phone-" + scheme)
	}
	b.Screen(1280, 900, "light")
	checkTabs(t, b, "skip | Put back what was lost in products sku=TEA-01 | Dismiss the conflict in products sku=TEA-01 | log")
	b.TabTo(`document.activeElement.ariaLabel?.startsWith('Put back')`)
	b.Press("Enter")
	b.Await(`document.querySelector('#conflicts').textContent.startsWith('None.')`)
	if got := office.sqlite(`SELECT price_cents FROM products WHERE sku = 'TEA-01'`); got != "500" {
		t.Errorf("the price is %s after the restore", got)
	}
	b.CheckTroubles()
}

// widest names what stands out of the window.
const widest = `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName + '#' + e.id + '.' + e.className).join(' ')`

// checkTabs walks through the page by keyboard: everything that can be used is
// reached, in the order in which it is on the page, and shows that it is.
func checkTabs(t *testing.T, b *browser.Browser, want string) {
	t.Helper()
	browser.Eval[bool](b, `document.activeElement.blur(), scrollTo(0, 0), true`)
	var order []string
	for range 30 {
		b.Do(chromedp.KeyEvent(kb.Tab))
		at := browser.Eval[string](b, `document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.className || document.activeElement.tagName`)
		if at == "BODY" || slices.Contains(order, at) {
			break
		}
		if at != "BODY" && browser.Eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
			t.Errorf("focus on %s cannot be seen", at)
		}
		order = append(order, at)
	}
	if got := strings.Join(order, " | "); got != want {
		t.Errorf("tab order is %q, want %q", got, want)
	}
}

// checkContrast compares the colours of text with what is behind it: 4.5 to 1
// at least, as WCAG 2.2 has it.
func checkContrast(t *testing.T, b *browser.Browser, scheme string) {
	t.Helper()
	const find = `(() => {
		const rgb = (c) => c.match(/[\d.]+/g).map(Number);
		const light = (c) => { const [r, g, b] = rgb(c).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
		const bad = [];
		for (const e of document.querySelectorAll('body *')) {
			if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility() || e.tagName === 'NOSCRIPT') continue;
			const style = getComputedStyle(e), svg = e instanceof SVGElement;
			if (e.classList.contains('initial')) continue;
			const x = light(svg ? style.fill : style.color), y = light(behind(e));
			const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
			if (ratio < 4.5) bad.push(e.tagName + '.' + (e.getAttribute('class') ?? '') + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 30));
		}
		return bad.join('; ');
	})()`
	if bad := browser.Eval[string](b, find); bad != "" {
		t.Errorf("%s: too little contrast: %s", scheme, bad)
	}
}

// TestPageWithToken logs in as people do.
func TestPageWithToken(t *testing.T) {
	office := troubled(t, "--http-token", "open sesame", "--max-lag-rows", "1")
	b := browser.Open(t, office.pages())
	b.Screen(1280, 900, "light")
	b.Do(chromedp.Navigate(b.Base), chromedp.WaitVisible(chromedp.ID("token")))
	b.Shoot("login")
	b.Do(chromedp.SendKeys(chromedp.ID("token"), "wrong"+kb.Enter))
	b.Await(`location.hash === '#wrong' && document.querySelector('#wrong').checkVisibility()`)
	b.Do(chromedp.SendKeys(chromedp.ID("token"), "open sesame"+kb.Enter), chromedp.WaitVisible(chromedp.CSS("#mesh svg")))
	b.Await(`document.querySelector('#health').textContent === 'not healthy'`)
	b.Await(`document.querySelector('#notes').textContent.includes('depot lacks')`)
	if cookie := browser.Eval[string](b, `document.cookie`); cookie != "" {
		t.Errorf("the cookie can be read by scripts: %s", cookie)
	}
	b.Shoot("unhealthy")
	b.Do(chromedp.Click(chromedp.CSS("#logout button")), chromedp.WaitVisible(chromedp.ID("token")))
	b.Do(chromedp.Navigate(b.Base), chromedp.WaitVisible(chromedp.ID("token")))
	b.CheckTroubles()
}
