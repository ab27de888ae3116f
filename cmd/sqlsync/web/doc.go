// Package web is what a running serve shows over HTTP: health, metrics, the
// change feed and a page.
//
// Make Counters first, because stores tell them what they do; then a Server
// over the databases, which Run serves on a listener until its context ends.
// docs/http.md is its manual.
package web
