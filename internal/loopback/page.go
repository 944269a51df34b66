package loopback

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed pages/page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// show answers with a page, whose title is green where all is well. It must not stay in a history
// or leave its address to another site: the address holds the code.
func show(w http.ResponseWriter, status int, good bool, title, text string) {
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		Title, Text string
		Good        bool
	}{title, text, good}); err != nil {
		http.Error(w, title, status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone
}
