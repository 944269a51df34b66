package lwatest

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

//go:embed pages sdk
var files embed.FS

var (
	style       = mustRead("pages/style.css")
	popupScript = mustRead("sdk/popup.js")
)

// pages are parsed for the first of them: most servers show none.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").
		Funcs(template.FuncMap{
			"style":  func() template.CSS { return template.CSS(style) },     // #nosec G203 -- our own file
			"script": func() template.JS { return template.JS(popupScript) }, // #nosec G203 -- our own file
		}).
		ParseFS(files, "pages/*.html"))
})

// contentPolicy lets a page have its own style and script, and nothing else. It has no
// form-action: browsers would hold that against the redirect to the client, too.
var contentPolicy = "default-src 'none'; style-src " + hashSource(style) + "; script-src " + hashSource(popupScript) +
	"; base-uri 'none'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func mustRead(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(b)
}

func render(name string, view any) []byte {
	var b bytes.Buffer
	if err := pages().ExecuteTemplate(&b, name, view); err != nil {
		panic(err) // the views fit the templates, or no test would pass
	}
	return b.Bytes()
}

// errorView is what an error page shows.
type errorView struct {
	Status  int
	Title   string
	Text    string
	Details []detail
}

type detail struct{ Name, Value string }

func (s *Server) errorPage(status int, text string) reply {
	v := errorView{Status: status, Title: http.StatusText(status), Text: text}
	return reply{status: status, html: render("error.html", v), outcome: pageOutcome(text)}
}

// badRequestPage is the page of a request that can't be sent back to anybody. It
// repeats the parameters that help and can't be secret.
func (s *Server) badRequestPage(text string, params url.Values) *reply {
	v := errorView{Status: http.StatusBadRequest, Title: http.StatusText(http.StatusBadRequest), Text: text}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope"} {
		if value := params.Get(name); value != "" {
			v.Details = append(v.Details, detail{name, value})
		}
	}
	return &reply{status: v.Status, html: render("error.html", v), outcome: pageOutcome(text)}
}

// pageOutcome is a page in the journal: the first words of its text, which is ours.
func pageOutcome(text string) string {
	if end := strings.IndexAny(text, ".:"); end > 0 {
		text = text[:end]
	}
	return "error page: " + text
}
