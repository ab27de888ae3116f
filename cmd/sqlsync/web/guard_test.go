package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sqlsync/cmd/sqlsync/web"
)

func TestGuardOnLoopback(t *testing.T) {
	s := newSite(t, nil)
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for _, c := range []struct {
		what, method, path string
		edit               func(*http.Request)
		want               int
	}{
		{"a local client", "GET", "/health", nil, 200},
		{"by name", "GET", "/health", host("localhost:8117"), 200},
		{"by IPv6", "GET", "/health", host("[::1]:8117"), 200},
		{"by a name that was made to resolve here", "GET", "/health", host("rebound.example:8117"), 421},
		{"by a name that only looks local", "GET", "/health", host("localhost.example"), 421},
		{"without a host", "GET", "/health", host(""), 421},
		{"a link elsewhere", "GET", "/", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"), 200},
		{"a script elsewhere", "GET", "/events", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), 403},
		{"another port of this host", "GET", "/api/live", header("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"), 403},
		{"a form elsewhere", "POST", "/api/conflicts/x/restore", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"), 403},
		{"a form of an old browser", "POST", "/api/conflicts/x/restore", header("Origin", "http://evil.example"), 403},
		{"a form without the header", "POST", "/api/conflicts/x/restore", nil, 403},
		{"the page", "POST", "/api/conflicts/x/restore", header("Sec-Fetch-Site", "same-origin", "Sqlsync-Request", "1"), 501},
		{"a method that is not there", "DELETE", "/health", nil, 405},
	} {
		if w := s.request(c.method, c.path, c.edit); w.Code != c.want {
			t.Errorf("%s: %s %s is %d, want %d: %s", c.what, c.method, c.path, w.Code, c.want, w.Body)
		} else if c.want >= 400 {
			refusal(t, w)
		}
	}
}

// refusal makes sure that an error says what is wrong and what to do, as every
// error does.
func refusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var answer struct{ Error, Hint string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" || answer.Hint == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d is answered with %q, %v", w.Code, w.Body, err)
	}
}

func TestGuardWithToken(t *testing.T) {
	s := newSite(t, func(o *web.Options) { o.Token = "open sesame"; o.Pprof = true })
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Host = "office.lan:8117"; r.Header.Set("Authorization", token) }
	}
	for _, path := range []string{"/health", "/metrics", "/events", "/api/live", "/api/status", "/api/conflicts", "/static/app.js", "/debug/pprof/", "/nothing"} {
		for _, token := range []string{"", "Bearer wrong", "Bearer ", "open sesame", "Basic open sesame"} {
			if w := s.request("GET", path, bearer(token)); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", path, token, w.Code)
			} else {
				refusal(t, w)
			}
		}
	}
	if w := s.request("GET", "/health", bearer("bearer open sesame")); w.Code != 200 {
		t.Errorf("with the token: %d", w.Code)
	}
	if w := s.request("GET", "/", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" {
		t.Errorf("the page without a token: %d to %s", w.Code, w.Header().Get("Location"))
	}
	if w := s.request("GET", "/login", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "password") {
		t.Errorf("the form: %d", w.Code)
	}
}

func TestLogin(t *testing.T) {
	s := newSite(t, func(o *web.Options) { o.Token = "open sesame" })
	post := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://office.lan/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	if w := post("sesame"); w.Header().Get("Location") != "/login#wrong" || len(w.Result().Cookies()) > 0 {
		t.Errorf("a wrong token: %d to %s", w.Code, w.Header().Get("Location"))
	}
	w := post("open sesame")
	cookies := w.Result().Cookies()
	if w.Header().Get("Location") != "/" || len(cookies) != 1 {
		t.Fatalf("the token: %d to %s, %v", w.Code, w.Header().Get("Location"), cookies)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, "sesame") {
		t.Errorf("cookie is %v", c)
	}
	with := func(r *http.Request) { r.AddCookie(c) }
	if w := s.request("GET", "/health", with); w.Code != 200 {
		t.Errorf("with the cookie: %d", w.Code)
	}
	if w := s.request("POST", "/logout", with); len(w.Result().Cookies()) != 1 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("logged out: %v", w.Result().Cookies())
	}
}

func TestEveryAnswerHasThePolicy(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/", "/health", "/static/app.js", "/nothing"} {
		h := s.request("GET", path, nil).Header()
		if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'self';") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy is %q", path, p)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.8.9.1:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "192.168.1.2:1": false, "office.lan:1": false, "127.0.0.1": false,
	} {
		if got := web.Loopback(addr); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}
