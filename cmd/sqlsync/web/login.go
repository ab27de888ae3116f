package web

import (
	"net/http"
)

// form shows the login form.
func (g *guard) form(w http.ResponseWriter, r *http.Request) {
	if g.admits(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	page("login.html").ServeHTTP(w, r)
}

// login gives a browser a cookie for the token.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if g.token == "" || !same(r.PostFormValue("token"), g.token) {
		http.Redirect(w, r, "/login#wrong", http.StatusSeeOther)
		return
	}
	http.SetCookie(w, g.cookieOf(r, g.session, 30*24*60*60))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (g *guard) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, g.cookieOf(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (g *guard) cookieOf(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: g.cookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
}
