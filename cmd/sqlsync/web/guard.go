package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard decides which requests are let in.
//
// Without a token the listener is on loopback, and what has to be kept out is
// a web page that the user looks at: one whose name was made to resolve to
// loopback (the Host check), and one that has the browser ask for it (cross
// origins). With a token nothing is answered without it.
type guard struct {
	token   string
	session string // the cookie's value
	cookie  string // its name: a browser has one jar for all ports of a host
	origins *http.CrossOriginProtection
}

func newGuard(token string) guard {
	g := guard{token: token, origins: http.NewCrossOriginProtection()}
	if token != "" {
		g.session = keyed(token, "session")
		g.cookie = "sqlsync_" + keyed(token, "cookie")[:8]
	}
	return g
}

func keyed(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte("sqlsync http " + text))
	return hex.EncodeToString(m.Sum(nil))
}

// same compares in a time that does not tell how much is equal.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return hmac.Equal(x[:], y[:])
}

const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case g.token == "" && !isLoopback(hostOf(r.Host)):
			complain(w, &requestError{http.StatusMisdirectedRequest, "this address answers to localhost only", "ask for localhost or 127.0.0.1, or serve with --http-token for other names"})
		case g.origins.Check(r) != nil, askedByStranger(r):
			complain(w, &requestError{http.StatusForbidden, "asked by another site", "open the page itself, or ask without a browser"})
		case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/") && r.Header.Get(requestHeader) == "":
			complain(w, &requestError{http.StatusForbidden, "the header " + requestHeader + " is missing", "send " + requestHeader + ": 1"})
		case g.admits(r) || public(r.URL.Path):
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet && r.URL.Path == "/":
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			h.Set("WWW-Authenticate", `Bearer realm="sqlsync"`)
			complain(w, &requestError{http.StatusUnauthorized, "the token is missing or wrong", "send Authorization: Bearer TOKEN"})
		}
	})
}

// requestHeader is what requests that change something must have. A page of
// another origin cannot send it without asking first, and is never told yes.
const requestHeader = "Sqlsync-Request"

// public lists what the login form needs.
func public(path string) bool {
	return path == "/login" || path == "/static/style.css" || path == "/static/icon.svg"
}

func (g *guard) admits(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	if scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return same(bearer, g.token)
	}
	c, err := r.Cookie(g.cookie)
	return err == nil && same(c.Value, g.session)
}

// askedByStranger reports whether a browser asks on behalf of another site,
// other than by going here.
func askedByStranger(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

func hostOf(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Loopback reports whether an address to listen on is reached from this
// machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}
