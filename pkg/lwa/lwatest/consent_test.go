package lwatest_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

var input = regexp.MustCompile(`<input type="(\w+)" name="(\w+)" value="([^"]*)"([^>]*)>`)

// formOf reads what a browser would send for a page as it stands.
func formOf(body string) url.Values {
	v := url.Values{}
	for _, m := range input.FindAllStringSubmatch(body, -1) {
		if m[1] == "hidden" || strings.Contains(m[4], "checked") {
			v.Add(m[2], html.UnescapeString(m[3]))
		}
	}
	return v
}

func decide(t *testing.T, srv *lwatest.Server, v url.Values) answer {
	t.Helper()
	return do(t, srv, request(t, "POST", "/ap/oa/consent", form, v.Encode()))
}

func TestConsentPage(t *testing.T) {
	srv := newServer(t, nil)
	data := strings.Replace(dashData, `"serial"`, `"is_test_device":true,"serial"`, 1)
	a := get(t, srv, target("scope", "dash:replenish profile", "scope_data", data))
	if a.Status != 200 || a.Header.Get("Content-Type") != "text/html;charset=UTF-8" {
		t.Fatalf("answer = %d %v", a.Status, a.Header)
	}
	for _, want := range []string{
		`<html lang="en">`, `name="viewport"`, "Acme", "ACME-VAC-1", "SN&#43;0001", "test orders only", "dash:replenish",
		"Order refills", "Customer One", "Customer Two", ">Allow</button>", ">Deny</button>", "<fieldset>", "<legend>",
	} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Nothing comes from elsewhere, and nothing runs.
	if m := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|src=|url\(|@import| on\w+=`).FindString(a.Body); m != "" {
		t.Errorf("the page holds %q", m)
	}
	h := a.Header
	if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	if h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers = %v", h)
	}
	// Every input that a person uses has a label.
	for _, m := range regexp.MustCompile(`<input type="(?:radio|checkbox)"[^>]* id="([^"]*)"`).FindAllStringSubmatch(a.Body, -1) {
		if !strings.Contains(a.Body, `<label for="`+m[1]+`"`) {
			t.Errorf("input %s has no label", m[1])
		}
	}
	if got := formOf(a.Body)["customer"]; len(got) != 1 || got[0] != customerOne {
		t.Errorf("chosen customer = %v, want the first", got)
	}
}

func TestConsentAllowed(t *testing.T) {
	srv := newServer(t, nil)
	v := formOf(get(t, srv, target("scope", "dash:replenish", "scope_data", dashData)).Body)
	a := decide(t, srv, with(v, "decision", "allow", "customer", customerTwo))
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.Status != 302 || u.Query().Get("state") != "the state" {
		t.Fatalf("answer = %d to %v", a.Status, u)
	}
	got := wantTokens(t, post(t, srv, exchangeForm(u.Query().Get("code"))))
	if g, ok := srv.Lookup(got.str("access_token")); !ok || g.Customer != customerTwo || g.Serial != "SN+0001" {
		t.Errorf("grant = %+v, %t, want that of the chosen customer", g, ok)
	}
}

func TestConsentDenied(t *testing.T) {
	srv := newServer(t, nil)
	v := formOf(get(t, srv, target()).Body)
	wantBack(t, decide(t, srv, with(v, "decision", "deny")), url.Values{
		"error": {"access_denied"}, "error_description": {"Access not permitted."},
	})
	if n := len(srv.Grants(lwatest.Match{})); n != 0 {
		t.Errorf("%d grants were made", n)
	}
}

func TestConsentVoluntary(t *testing.T) {
	srv := newServer(t, nil)
	v := formOf(get(t, srv, target("scope", "profile postal_code", "scope_data", `{"postal_code":{"essential":false}}`)).Body)
	if got := v["scope"]; len(got) != 1 || got[0] != "postal_code" {
		t.Fatalf("ticked = %v, want the voluntary scope", got)
	}
	for ticked, want := range map[string]string{"postal_code": "profile postal_code", "": "profile"} {
		u, err := url.Parse(decide(t, srv, with(v, "decision", "allow", "scope", ticked)).Header.Get("Location"))
		if err != nil || u.Query().Get("scope") != want {
			t.Errorf("with %q ticked: %v, want scope %s", ticked, u, want)
		}
	}
}

// TestConsentIsAskedFor: an answer that no page of ours asked for is refused, so that
// another site can't post one.
func TestConsentIsAskedFor(t *testing.T) {
	srv := newServer(t, nil)
	good := with(formOf(get(t, srv, target()).Body), "decision", "allow")
	otherRequest := strings.Replace(good.Get("request"), "profile", "postal_code", 1)
	for name, v := range map[string]url.Values{
		"nothing":         {},
		"no signature":    with(good, "signature", ""),
		"wrong signature": with(good, "signature", strings.Repeat("0", 64)),
		"other request":   with(good, "request", otherRequest),
		"later expiry":    with(good, "expires", good.Get("expires")+"0"),
		"no decision":     with(good, "decision", ""),
		"other decision":  with(good, "decision", "maybe"),
		"too much":        with(good, "x", strings.Repeat("x", 64<<10)),
	} {
		if a := decide(t, srv, v); a.Status != 400 || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q, want a page", name, a.Status, a.Header.Get("Location"))
		}
	}
	other := newServer(t, nil) // another process has another key
	if a := decide(t, other, good); a.Status != 400 {
		t.Errorf("another server took the answer: %d", a.Status)
	}
	srv.Clock().Advance(10 * time.Minute)
	if a := decide(t, srv, good); a.Status != 400 || !strings.Contains(a.Body, "waited too long") {
		t.Errorf("after ten minutes: %d", a.Status)
	}
	if n := len(srv.Grants(lwatest.Match{})); n != 0 {
		t.Errorf("%d grants were made", n)
	}
}

func TestConsentEscapes(t *testing.T) {
	o := options()
	o.Clients[0].Name = `<script>alert(1)</script>`
	o.Customers[0].Name = `"><img src=x onerror=alert(1)>`
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	a := get(t, srv, target("state", `"><script>`))
	if strings.Contains(a.Body, "<script") || strings.Contains(a.Body, "<img") {
		t.Errorf("the page lets markup through: %s", a.Body)
	}
}

func TestConsentCustomerSwitch(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Customer = customerTwo })
	if got := formOf(get(t, srv, target()).Body).Get("customer"); got != customerTwo {
		t.Errorf("chosen customer = %s, want the one who is signed in", got)
	}
	paired(t, srv)
	if g := srv.Grants(lwatest.Match{}); g[0].Customer != customerTwo {
		t.Errorf("the grant is of %s", g[0].Customer)
	}
}
