package callback_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestLogin(t *testing.T) {
	w := newWorld(t)
	a := w.browser().get("/login?"+device).want(t, http.StatusFound)
	if a.body != "" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("redirect = %+v, want no body, no-store and no-referrer", a)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for param, want := range map[string]string{
		"client_id": w.client.ClientID, "response_type": "code", "redirect_uri": origin + "/callback",
		"scope": "dash:replenish", "code_challenge_method": "S256",
	} {
		if q.Get(param) != want {
			t.Errorf("%s = %q, want %q", param, q.Get(param), want)
		}
	}
	if got, want := u.Scheme+"://"+u.Host+u.Path, w.lwa.Endpoint().AuthorizeURL; got != want {
		t.Errorf("page = %q, want %q", got, want)
	}
	if len(q.Get("state")) < 43 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("state has %d characters, challenge %d; want 43, which are 256 bits", len(q.Get("state")), len(q.Get("code_challenge")))
	}
	if want := `{"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN+1"}}`; q.Get("scope_data") != want {
		t.Errorf("scope_data = %s, want %s", q.Get("scope_data"), want)
	}
	if strings.Contains(w.store.text(), q.Get("state")) {
		t.Error("the state is stored, not its hash")
	}
}

func TestLoginTestFlags(t *testing.T) {
	w := newWorld(t, func(h *callback.Handler) { h.TestDevices, h.NonLive = true, true })
	var data map[string]map[string]any
	if err := json.Unmarshal([]byte(query(t, w.browser().login(device), "scope_data")), &data); err != nil {
		t.Fatal(err)
	}
	if d := data["dash:replenish"]; d["is_test_device"] != true || d["should_include_non_live"] != true {
		t.Errorf("scope_data = %v, want both flags", data)
	}
}

func TestLoginCookie(t *testing.T) {
	for _, tc := range []struct {
		redirect string
		secure   bool
		path     string
	}{
		{"https://pair.example/callback", true, "/callback"},
		{"http://localhost:8080/callback", false, "/callback"},
		{"https://pair.example/shop/callback", true, "/shop/callback"},
	} {
		w := newWorld(t, func(h *callback.Handler) { h.RedirectURL = tc.redirect })
		w.config.RedirectURL = tc.redirect
		u, _ := url.Parse(tc.redirect)
		a := w.browser().get(u.Scheme+"://"+u.Host+"/login?"+device).want(t, http.StatusFound)
		cookies := (&http.Response{Header: a.header}).Cookies()
		if len(cookies) != 2 {
			t.Fatalf("cookies = %v, want the login's and the index", cookies)
		}
		for _, c := range cookies {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != tc.secure || c.MaxAge != 600 || c.Domain != "" {
				t.Errorf("%s: cookie = %v", tc.redirect, c)
			}
		}
		if cookies[0].Path != tc.path {
			t.Errorf("%s: path = %q, want %q", tc.redirect, cookies[0].Path, tc.path)
		}
		state := query(t, a.header.Get("Location"), "state")
		if all := strings.Join(a.header["Set-Cookie"], " "); strings.Contains(all, state) {
			t.Error("a cookie holds the state")
		}
	}
}

// A browser that opens login upon login keeps the newest few, and all of those work.
func TestLoginTabs(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	var pages []string
	for range 20 {
		pages = append(pages, b.login(device))
	}
	u, _ := url.Parse(origin + "/callback")
	if n := len(b.jar.Cookies(u)); n != 6 {
		t.Errorf("the browser keeps %d cookies, want 6", n)
	}
	slices.Reverse(pages)
	for _, page := range pages[:6] {
		b.get(b.back(page, lwatest.Visitor{})).want(t, http.StatusOK)
	}
	b.get(b.back(pages[6], lwatest.Visitor{})).want(t, http.StatusBadRequest).has(t, "in this browser")
}

func TestLoginRefuses(t *testing.T) {
	w := newWorld(t)
	for _, q := range []string{
		"", "device_model=A", "serial=1", "device_model=A&serial=", "device_model=A%20&serial=1",
		"pairing=", "pairing=x", "pairing=" + strings.Repeat("0", 32), "pairing=" + strings.Repeat("A", 32),
		device + "&device_model=B", "device_model=A%0a&serial=1", device + "&pairing=", "a;b",
	} {
		a := w.browser().get("/login?"+q).want(t, http.StatusBadRequest)
		inspect(t, a)
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q sets a cookie", q)
		}
	}
	if n := w.store.size("L#"); n != 0 {
		t.Errorf("%d logins are stored, want none", n)
	}
}

// The cookie must be set on the host that Amazon sends the browser back to.
func TestLoginOnAnotherHost(t *testing.T) {
	w := newWorld(t)
	id := w.startPairing("").ID
	for _, q := range []string{device, "pairing=" + id} {
		b := w.browser()
		a := b.get("http://127.0.0.1:8080/login?"+q).want(t, http.StatusFound)
		to := a.header.Get("Location")
		if !strings.HasPrefix(to, origin+"/login?") || a.header.Get("Set-Cookie") != "" {
			t.Fatalf("Location = %q with cookie %q, want ours without cookie", to, a.header.Get("Set-Cookie"))
		}
		page := b.get(to).want(t, http.StatusFound).header.Get("Location")
		b.get(b.back(page, lwatest.Visitor{})).want(t, http.StatusOK)
	}
	// Behind a proxy that rewrites the host name it must not go on for ever.
	to := w.browser().get("https://internal.example/login?"+device).want(t, http.StatusFound).header.Get("Location")
	to = w.browser().get(strings.Replace(to, origin, "https://internal.example", 1)).want(t, http.StatusFound).header.Get("Location")
	if !strings.HasPrefix(to, w.lwa.Endpoint().AuthorizeURL) {
		t.Errorf("second redirect leads to %q, want Amazon", to)
	}
	for _, same := range []string{"https://PAIR.example/login?", "https://pair.example:8443/login?"} {
		to := w.browser().get(same+device).want(t, http.StatusFound).header.Get("Location")
		if !strings.HasPrefix(to, w.lwa.Endpoint().AuthorizeURL) {
			t.Errorf("%s leads to %q, want Amazon", same, to)
		}
	}
}

// Amazon asks nothing of a customer who has agreed before. So whoever was sent to /login
// by another site, perhaps unseen, sees the device first and presses the button.
func TestLoginSentByAnotherSite(t *testing.T) {
	w := newWorld(t)
	for _, q := range []string{device, "pairing=" + w.startPairing("").ID} {
		for site, sent := range map[string]bool{
			"cross-site": true, "same-site": true, "of a later day": true,
			"same-origin": false, "none": strings.HasPrefix(q, "pairing="), "": false,
		} {
			b := w.browser()
			before := w.store.size("L#")
			a := b.from(site, "/login?"+q).want(t, http.StatusFound)
			to := a.header.Get("Location")
			if !sent {
				if !strings.HasPrefix(to, w.lwa.Endpoint().AuthorizeURL) {
					t.Errorf("%q: Location = %q, want Amazon", site, to)
				}
				continue
			}
			if to != "./?"+q || a.header.Get("Set-Cookie") != "" || w.store.size("L#") != before {
				t.Fatalf("%q: Location = %q, cookie %q; want the page, and no login", site, to, a.header.Get("Set-Cookie"))
			}
			page := b.from(site, strings.TrimPrefix(to, ".")).want(t, http.StatusOK).has(t, "ACME-VAC-1", "SN&#43;1")
			amazon := b.from("same-origin", button(t, page, "Login with Amazon")).want(t, http.StatusFound).header.Get("Location")
			if !strings.HasPrefix(amazon, w.lwa.Endpoint().AuthorizeURL) {
				t.Errorf("%q: the button leads to %q, want Amazon", site, amazon)
			}
		}
	}
}

// A browser says that it crossed sites when it is moved to the right host name: it
// lands on the page there, once.
func TestLoginOnAnotherHostCrossesSites(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	to := b.from("same-origin", "http://127.0.0.1:8080/login?"+device).want(t, http.StatusFound).header.Get("Location")
	if !strings.HasPrefix(to, origin+"/login?") {
		t.Fatalf("Location = %q, want our host", to)
	}
	to = b.from("cross-site", to).want(t, http.StatusFound).header.Get("Location")
	if to != "./?"+device {
		t.Fatalf("Location = %q, want the page", to)
	}
	login := button(t, b.from("cross-site", strings.TrimPrefix(to, ".")), "Login with Amazon")
	amazon := b.from("same-origin", login).want(t, http.StatusFound).header.Get("Location")
	b.from("cross-site", b.back(amazon, lwatest.Visitor{})).want(t, http.StatusOK)
}

// from opens an address, as a browser does that tells where it was sent from.
func (b *browser) from(site, address string) *answer {
	b.Helper()
	return b.open(http.MethodGet, address, "Sec-Fetch-Site", site)
}

// While the store, the credentials or the keys are out of reach nobody is sent away
// with a login that can't be finished.
func TestLoginInTrouble(t *testing.T) {
	for what, breakIt := range map[string]func(*world){
		"store": func(w *world) {
			w.store.before = func(string, store.Record) error { return fmt.Errorf("put: %w", store.ErrUnavailable) }
		},
		"credentials": func(w *world) { w.secret.err = fmt.Errorf("no secret today") },
		"key ring":    func(w *world) { w.keys.err = fmt.Errorf("no keys today") },
	} {
		w := newWorld(t)
		breakIt(w)
		a := w.browser().get("/login?"+device).want(t, http.StatusServiceUnavailable)
		inspect(t, a)
		if a.header.Get("Retry-After") == "" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: headers = %v, want Retry-After and no cookie", what, a.header)
		}
		w.post("/v1/authorizations", "", `{"device_model":"A","serial":"1"}`).problem(t, 503, "unavailable")
	}
}
