package callback

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
)

// page is one page, all of which share a layout. Everything in it is escaped.
type page struct {
	status int

	Tone   string   // "good", "warn" or "bad" for an icon; "": none
	Title  string   // also the heading
	Text   []string // paragraphs
	Device *thing.Device
	Slots  []message.Slot
	Form   *form
	Links  []link   // what to do next, best first
	Maker  []string // paragraphs for whoever set up the page that led here
	Small  string
}

// link is a button. Href is relative, so that it works wherever the pages are mounted.
type link struct {
	Href, Label string
	Amazon      bool // leads to Amazon's sign-in
}

// form asks for a device. A field with an error says what it takes.
type form struct {
	Fields []field
}

type field struct {
	Name, Label, Hint, Value, Example string
	Wrong                             bool
	Focus                             bool // the first that is wrong
}

//go:embed pages
var pageFiles embed.FS

var layout = template.Must(template.ParseFS(pageFiles, "pages/*"))

// policy lets a page load nothing but its own style. The sign-in is a link, not a form,
// because browsers hold the redirects of a form against form-action.
var policy = func() string {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(style)
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// pages makes a handler of f, which returns a page, or nil when it has answered itself.
func (h *Handler) pages(f func(http.ResponseWriter, *http.Request) (*page, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := f(w, r)
		if err != nil {
			p = trouble(r, err)
		}
		if p != nil {
			p.write(w, r)
		}
	})
}

func (p *page) write(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if err := layout.ExecuteTemplate(&body, "base.html", p); err != nil {
		slog.ErrorContext(r.Context(), "writing page", "error", err)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	private(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Robots-Tag", "noindex")
	if p.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // the client has gone
	}
}

// redirect sends the browser on. The address may hold a state, so there is no body.
func redirect(w http.ResponseWriter, to string) {
	private(w.Header())
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

func private(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// trouble logs a fault of ours and returns its page. Nobody sees that of a browser
// that has gone, which is no fault.
func trouble(r *http.Request, err error) *page {
	ctx := r.Context()
	if web.Gone(r, err) {
		slog.DebugContext(ctx, "browser has gone", "error", err)
		return ourTrouble(http.StatusServiceUnavailable)
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, errSecrets) {
		slog.WarnContext(ctx, "page can't be served now", "error", err)
		return ourTrouble(http.StatusServiceUnavailable)
	}
	slog.ErrorContext(ctx, "page ended in a fault", "error", err)
	return ourTrouble(http.StatusInternalServerError)
}
