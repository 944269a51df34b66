package callback_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestStart(t *testing.T) {
	w := newWorld(t)
	s := w.startPairing("")
	for _, tc := range []struct {
		name, query string
		status      int
		texts       []string
	}{
		{"nothing", "", 200, []string{"<form", `for="device_model"`, `for="serial"`}},
		{"something else", "utm_source=box", 200, []string{"<form"}},
		{"device", device, 200, []string{"ACME-VAC-1", "SN&#43;1", "Login with Amazon"}},
		{"device typed with blanks", "device_model=+ACME-VAC-1+&serial=SN%2B1%20", 200, []string{"SN&#43;1", "Login with Amazon"}},
		{"pairing", "pairing=" + s.ID, 200, []string{"ACME-VAC-1", "SN&#43;1", "Login with Amazon"}},
		{"empty form", "device_model=&serial=", 400, []string{"<form", "aria-invalid"}},
		{"no serial", "device_model=ACME", 400, []string{"<form", `value="ACME"`, "aria-invalid"}},
		{"bad model", "device_model=A+B&serial=1", 400, []string{`value="A B"`, "aria-invalid"}},
		{"long serial", "device_model=A&serial=" + strings.Repeat("1", 65), 400, []string{"aria-invalid"}},
		{"too long together", "device_model=" + strings.Repeat("%2B", 40) + "&serial=" + strings.Repeat("%2B", 40), 400, []string{"too long"}},
		{"unknown pairing", "pairing=" + strings.Repeat("0", 32), 400, []string{"expired"}},
		{"no pairing ID", "pairing=x", 400, []string{"not complete"}},
		{"twice", device + "&serial=2", 400, []string{"not complete"}},
		{"control character", "device_model=A%00&serial=1", 400, []string{"not complete"}},
		{"no UTF-8", "device_model=%ff&serial=1", 400, []string{"not complete"}},
		{"no query at all", "%zz", 400, []string{"not complete"}},
		{"very long", "device_model=" + strings.Repeat("A", 9000), 400, []string{"not complete"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.browser().get("/?"+tc.query).want(t, tc.status).has(t, tc.texts...)
			inspect(t, a)
			if head := w.browser().open(http.MethodHead, "/?"+tc.query).want(t, tc.status); head.body != "" {
				t.Errorf("HEAD has a body: %q", head.body)
			}
		})
	}
}

// What is typed into the form comes back escaped.
func TestStartEscapes(t *testing.T) {
	w := newWorld(t)
	const markup = `"><script>alert(1)</script>`
	a := w.browser().get("/?serial=1&device_model="+url.QueryEscape(markup)).want(t, http.StatusBadRequest)
	doc := inspect(t, a) // fails on a script
	if inputs := find(doc, "input", ""); attr(inputs[0], "value") != markup {
		t.Errorf("value = %q, want what was typed", attr(inputs[0], "value"))
	}
}

// The button of each page leads to Amazon, with what the page was about.
func TestStartLeadsToAmazon(t *testing.T) {
	w := newWorld(t)
	for _, page := range []string{"/?" + device, strings.TrimPrefix(w.startPairing("").URL, origin)} {
		b := w.browser()
		login := button(t, b.get(page), "Login with Amazon")
		amazon := b.get(login).want(t, http.StatusFound).header.Get("Location")
		b.get(b.back(amazon, lwatest.Visitor{})).want(t, http.StatusOK).has(t, "Your device is connected", "filter", "bag")
	}
}

// Anybody can start a pairing of a device that is connected: the page says so, and
// nothing of whom it belongs to.
func TestStartOfConnectedDevice(t *testing.T) {
	w := newWorld(t)
	const warning = "already connected"
	page := func(id string) *answer { return w.browser().get("/?pairing="+id).want(t, http.StatusOK) }
	if a := page(w.startPairing("").ID); strings.Contains(a.body, warning) {
		t.Errorf("a free device is called connected:\n%s", a.body)
	}
	key := w.keyed()
	stranger := w.startPairing("").ID
	a := page(stranger).has(t, warning, "only if you are setting it up right now")
	button(t, a, "Login with Amazon")
	reg := w.registration()
	for _, private := range []string{reg.CustomerID, reg.Grant, reg.KeyHash, "Supplies it can order", "2026"} {
		if strings.Contains(a.body, private) {
			t.Errorf("the page has %q", private)
		}
	}
	for _, id := range []string{w.startPairing(key).ID, w.overMQTT()} {
		if a := page(id); strings.Contains(a.body, warning) {
			t.Errorf("the owner's own pairing is warned of:\n%s", a.body)
		}
	}
	edit(t, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
		r.End(store.Deregistered, store.ReasonDeregistered, start)
	})
	if a := page(stranger); strings.Contains(a.body, warning) {
		t.Errorf("a deregistered device is called connected:\n%s", a.body)
	}
}

func TestNewChecksRedirectURL(t *testing.T) {
	for _, good := range []string{
		"https://pair.example/callback", "https://pair.example:8443/shop/callback",
		"http://localhost:8080/callback", "http://127.0.0.1/callback", "http://[::1]:8080/callback",
	} {
		if _, err := callback.New(callback.Handler{RedirectURL: good}); err != nil {
			t.Errorf("New(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/callback", "pair.example/callback", "http://pair.example/callback", "https:///callback",
		"https://pair.example/callback#x", "https://pair.example/callback#", "https://u:p@pair.example/callback",
		"https://pair.example/callback?x=1", "ftp://localhost/callback", "amzn://app", "http://localhost.example/callback",
		"https://pair.example", "https://pair.example/" + strings.Repeat("a", 3000), "https://pair.example/%zz",
	} {
		_, err := callback.New(callback.Handler{RedirectURL: bad})
		if err == nil || !strings.Contains(err.Error(), "redirect URL must be") {
			t.Errorf("New(%.60q) = %v, want an error that says what it must be", bad, err)
		}
	}
}
