package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/doctor"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const (
	clientID = "amzn1.application-oa2-client.0123"
	redirect = "https://pair.example.com/callback"
	secret   = "canary-client-secret"
)

// world is a sandbox, and a doctor who is told of its client.
type world struct {
	box *sandbox.Sandbox
	url string
	lwa doctor.LWA
}

func newWorld(t *testing.T) *world {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{Client: lwatest.Client{ID: clientID, Secret: lwa.NewSecret(secret), RedirectURLs: []string{redirect}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box.Handler())
	t.Cleanup(server.Close)
	w := &world{box: box, url: server.URL, lwa: doctor.LWA{Region: lwa.NA, Names: doctor.Variables()}}
	w.lwa.Client = lwa.Client{ClientID: clientID, ClientSecret: lwa.NewSecret(secret), RedirectURL: redirect, Endpoint: lwa.Endpoint{APIURL: server.URL}}
	return w
}

func (w *world) advance(t *testing.T, by time.Duration) {
	t.Helper()
	if err := w.box.Advance(by); err != nil {
		t.Fatal(err)
	}
}

// app makes a companion app known.
func (w *world) app(t *testing.T, id string) {
	t.Helper()
	if err := w.box.LWA.AddClient(lwatest.Client{ID: id, RedirectURLs: []string{"amzn://com.example.app"}}); err != nil {
		t.Fatal(err)
	}
}

// wants checks that exactly the named checks are not well, each at a level and with words
// in what it says.
func wants(t *testing.T, f doctor.Findings, want map[string][]string) {
	t.Helper()
	for _, one := range f {
		text := one.Found + " " + one.Setting + " " + one.Fix
		if strings.Contains(text, "canary") {
			t.Errorf("a finding holds a secret: %+v", one)
		}
		words, expected := want[one.Check]
		switch {
		case !expected && one.Level != doctor.OK:
			t.Errorf("unexpected: %+v", one)
		case expected && string(one.Level) != words[0]:
			t.Errorf("%s is %s, want %s: %+v", one.Check, one.Level, words[0], one)
		case expected:
			for _, word := range words[1:] {
				if !strings.Contains(text, word) {
					t.Errorf("%s says %q, which does not hold %q", one.Check, text, word)
				}
			}
			if one.Level != doctor.OK && one.Fix == "" {
				t.Errorf("%s says no fix: %+v", one.Check, one)
			}
		}
		delete(want, one.Check)
	}
	for check := range want {
		t.Errorf("nothing was found about %s: %+v", check, f)
	}
}

func TestCheckLWA(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *world)
		want   map[string][]string
	}{
		"all well": {
			func(*testing.T, *world) {},
			map[string][]string{"client ID": {"ok"}, "client secret": {"ok"}, "redirect URL": {"ok"}, "clock": {"ok"}, "Login with Amazon": {"ok"}},
		},
		"wrong ID": {
			func(_ *testing.T, w *world) { w.lwa.Client.ClientID += "4" },
			map[string][]string{"client ID": {"fail", "RESTOCK_LWA_CLIENT_ID", "does not know", "restock sandbox", "at each start"}, "redirect URL": {"warn"}},
		},
		"wrong secret": {
			func(_ *testing.T, w *world) { w.lwa.Client.ClientSecret = lwa.NewSecret("canary-other") },
			map[string][]string{"client secret": {"fail", "RESTOCK_LWA_CLIENT_SECRET", "not that of the client ID"}},
		},
		"no secret": {
			func(_ *testing.T, w *world) { w.lwa.Client.ClientSecret = lwa.Secret{} },
			map[string][]string{"client secret": {"warn", "RESTOCK_LWA_CLIENT_SECRET", "There is none"}},
		},
		"secret in quotes": {
			func(_ *testing.T, w *world) { w.lwa.Client.ClientSecret = lwa.NewSecret(`"` + secret + `"`) },
			map[string][]string{"client secret": {"fail", "RESTOCK_LWA_CLIENT_SECRET", "quotes"}},
		},
		"companion apps": {
			func(t *testing.T, w *world) {
				w.lwa.Public = []string{clientID + ".app"}
				w.app(t, clientID+".app")
			},
			map[string][]string{"public clients": {"ok", "1 of companion apps"}},
		},
		"unknown companion app": {
			func(_ *testing.T, w *world) { w.lwa.Public = []string{clientID + ".app"} },
			map[string][]string{"public clients": {"fail", "RESTOCK_LWA_PUBLIC_CLIENTS", clientID + ".app"}},
		},
		"not registered": {
			func(_ *testing.T, w *world) { w.lwa.Client.RedirectURL += "/" },
			map[string][]string{"redirect URL": {"fail", "RESTOCK_REDIRECT_URL", redirect + "/", "Allowed Return URLs"}},
		},
		"wrong secret, not registered": {
			func(_ *testing.T, w *world) {
				w.lwa.Client.RedirectURL += "/"
				w.lwa.Client.ClientSecret = lwa.NewSecret("canary-other")
			},
			map[string][]string{"redirect URL": {"fail"}, "client secret": {"fail"}},
		},
		"no redirect URL": {
			func(_ *testing.T, w *world) { w.lwa.Client.RedirectURL = "" },
			map[string][]string{"redirect URL": {"warn", "not set"}},
		},
		"no redirect URL, wrong secret": {
			func(_ *testing.T, w *world) {
				w.lwa.Client.RedirectURL, w.lwa.Client.ClientSecret = "", lwa.NewSecret("canary-other")
			},
			map[string][]string{"redirect URL": {"warn"}, "client ID, client secret": {"fail", "RESTOCK_LWA_CLIENT_ID", "RESTOCK_LWA_CLIENT_SECRET"}},
		},
		"not https": {
			func(_ *testing.T, w *world) { w.lwa.Client.RedirectURL = "http://pair.example.com/callback" },
			map[string][]string{"redirect URL": {"fail", "https"}},
		},
		"clock a minute ahead": {
			func(_ *testing.T, w *world) { w.lwa.Now = func() time.Time { return time.Now().Add(time.Minute) } },
			map[string][]string{"clock": {"warn", "ahead"}},
		},
		"clock ten minutes behind": {
			func(_ *testing.T, w *world) {
				w.lwa.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
			},
			map[string][]string{"clock": {"fail", "behind", "NTP"}},
		},
		"sandbox moved on": {
			func(t *testing.T, w *world) { w.advance(t, 24*time.Hour) },
			map[string][]string{"clock": {"ok", "the sandbox", "moved on by 24h0m0s"}},
		},
		"sandbox moved on, clock ten minutes ahead": {
			func(t *testing.T, w *world) {
				w.advance(t, 24*time.Hour)
				w.lwa.Now = func() time.Time { return time.Now().Add(10 * time.Minute) }
			},
			map[string][]string{"clock": {"fail", "is 10m", "ahead of", "24h0m0s", "NTP"}},
		},
		"throttled": {
			func(t *testing.T, w *world) {
				if err := w.box.LWA.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled}); err != nil {
					t.Fatal(err)
				}
			},
			map[string][]string{"Login with Amazon": {"warn", "429"}},
		},
		"no answer": {
			func(_ *testing.T, w *world) { w.lwa.Client.Endpoint.APIURL = "http://127.0.0.1:1" },
			map[string][]string{"Login with Amazon": {"fail", "RESTOCK_LWA_API_URL", "no answer"}},
		},
		"a proxy": {
			func(t *testing.T, w *world) {
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusForbidden)
					_, _ = w.Write([]byte("<html>canary</html>"))
				}))
				t.Cleanup(proxy.Close)
				w.lwa.Client.Endpoint.APIURL = proxy.URL
			},
			map[string][]string{"Login with Amazon": {"fail", "RESTOCK_LWA_API_URL", "not Login with Amazon"}},
		},
		"no authorize page": {
			func(_ *testing.T, w *world) { w.lwa.Client.Endpoint.AuthorizeURL = "http://127.0.0.1:1/ap/oa" },
			map[string][]string{"Login with Amazon": {"warn", "RESTOCK_LWA_AUTHORIZE_URL"}, "redirect URL": {"warn"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(t, w)
			wants(t, doctor.CheckLWA(t.Context(), w.lwa), c.want)
		})
	}
}

// A sandbox whose customer agrees at once is left as it was.
func TestCheckChangesNothing(t *testing.T) {
	w := newWorld(t)
	switches := w.box.LWA.Switches()
	switches.Consent = lwatest.Allow
	if err := w.box.LWA.SetSwitches(switches); err != nil {
		t.Fatal(err)
	}
	wants(t, doctor.CheckLWA(t.Context(), w.lwa), map[string][]string{"redirect URL": {"ok"}})
	wants(t, doctor.CheckDRS(t.Context(), w.url, lwa.NA, doctor.Variables(), nil), map[string][]string{"Dash Replenishment": {"ok"}})
	if st := w.box.State(); len(st.Grants) != 0 || len(st.Devices) != 0 {
		t.Errorf("there are grants and devices now: %+v", st)
	}
}

// at answers for Amazon itself, whatever the host.
type at func(*http.Request) *http.Response

func (f at) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func TestCheckAtAmazon(t *testing.T) {
	for name, c := range map[string]struct {
		location string
		want     map[string][]string
	}{
		"asks to sign in":   {"https://www.amazon.com/ap/signin?x=y", map[string][]string{"redirect URL": {"ok"}}},
		"scope not enabled": {redirect + "?error=invalid_scope&error_description=An+unknown+scope+was+requested&state=s", map[string][]string{"scope": {"fail", "dash:replenish", "enabled"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := doctor.LWA{Region: lwa.EU, Names: doctor.Variables(), HTTPClient: &http.Client{Transport: at(func(r *http.Request) *http.Response {
				rec := httptest.NewRecorder()
				rec.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				if r.URL.Path == "/ap/oa" {
					q := r.URL.Query()
					if q.Get("response_type") != "code" || q.Get("scope") != "dash:replenish" || q.Get("redirect_uri") != redirect {
						t.Errorf("the authorize page was asked %v", q)
					}
					rec.Header().Set("Location", c.location)
					rec.WriteHeader(http.StatusFound)
				} else {
					rec.WriteHeader(http.StatusBadRequest)
					_, _ = rec.WriteString(`{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token"}`)
				}
				return rec.Result()
			})}}
			l.Client = lwa.Client{ClientID: clientID, ClientSecret: lwa.NewSecret(secret), RedirectURL: redirect, Endpoint: lwa.EU.Endpoint()}
			wants(t, doctor.CheckLWA(t.Context(), l), c.want)
		})
	}
}

func TestCheckHosts(t *testing.T) {
	amazon := at(func(*http.Request) *http.Response {
		rec := httptest.NewRecorder()
		rec.WriteHeader(http.StatusServiceUnavailable)
		return rec.Result()
	})
	for name, c := range map[string]struct {
		region lwa.Region
		hosts  lwa.Endpoint
		want   map[string][]string
	}{
		"as it should be":         {lwa.FE, lwa.FE.Endpoint(), map[string][]string{"region": {"ok", "fe"}}},
		"no region is na":         {"", lwa.NA.Endpoint(), map[string][]string{"region": {"ok", "na"}}},
		"API of another":          {lwa.EU, lwa.Endpoint{APIURL: "https://api.amazon.com"}, map[string][]string{"region": {"fail", "RESTOCK_LWA_REGION", "RESTOCK_LWA_API_URL", "region na", "set to eu"}}},
		"in other letters":        {lwa.EU, lwa.Endpoint{APIURL: "https://API.amazon.com/"}, map[string][]string{"region": {"fail"}}},
		"sign-in page of another": {lwa.NA, lwa.Endpoint{APIURL: "https://api.amazon.com", AuthorizeURL: lwa.EU.Endpoint().AuthorizeURL}, map[string][]string{"region": {"fail", "RESTOCK_LWA_AUTHORIZE_URL", "region eu"}}},
		"sign-in page of the API": {lwa.NA, lwa.Endpoint{APIURL: "https://api.amazon.com", AuthorizeURL: "https://api.amazon.com/ap/oa"}, map[string][]string{"region": {"ok"}}},
		"plain, this machine":     {lwa.EU, lwa.Endpoint{APIURL: "http://[::1]:8081", AuthorizeURL: "http://localhost:8081/ap/oa"}, map[string][]string{}},
		"plain":                   {lwa.NA, lwa.Endpoint{APIURL: "http://sandbox:8081"}, map[string][]string{"encryption": {"warn", "RESTOCK_LWA_API_URL", "https"}}},
		"plain sign-in page":      {lwa.NA, lwa.Endpoint{APIURL: "https://lwa.example.com", AuthorizeURL: "http://lwa.example.com/ap/oa"}, map[string][]string{"encryption": {"warn", "RESTOCK_LWA_AUTHORIZE_URL"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := doctor.LWA{Region: c.region, Names: doctor.Variables(), HTTPClient: &http.Client{Transport: amazon}}
			l.Client = lwa.Client{ClientID: clientID, ClientSecret: lwa.NewSecret(secret), RedirectURL: redirect, Endpoint: c.hosts}
			c.want["Login with Amazon"] = []string{"warn"} // it is in trouble
			wants(t, doctor.CheckLWA(t.Context(), l), c.want)
		})
	}
}

func TestCheckDRS(t *testing.T) {
	w := newWorld(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	check := func(base string, r lwa.Region, want ...string) {
		t.Helper()
		wants(t, doctor.CheckDRS(t.Context(), base, r, doctor.Variables(), nil), map[string][]string{"Dash Replenishment": want})
	}
	check(w.url, lwa.EU, "ok")
	check(other.URL, lwa.NA, "fail", "RESTOCK_DRS_URL", "not DRS")
	check("http://127.0.0.1:1", lwa.NA, "fail", "RESTOCK_DRS_URL", "no answer")
}

// silence is a network that leads nowhere.
type silence struct{}

func (silence) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func TestCheckCallback(t *testing.T) {
	page := func(status int, policy string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Referrer-Policy", policy)
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL + "/callback"
	}
	for address, want := range map[string][]string{
		page(400, "no-referrer"):      {"ok"},
		page(400, "origin"):           {"fail", "not Restock's"},
		page(200, "no-referrer"):      {"fail", "RESTOCK_REDIRECT_URL"},
		"http://127.0.0.1:1/callback": {"fail", "Nothing answers", "restock up"},
	} {
		wants(t, doctor.CheckCallback(t.Context(), address, doctor.Variables(), nil), map[string][]string{"callback page": want})
	}
	silent := &http.Client{Transport: silence{}}
	wants(t, doctor.CheckCallback(t.Context(), redirect, doctor.Variables(), silent), map[string][]string{"callback page": {"warn", "from here"}})
}

// records is a store of one registration.
type records struct {
	one store.Registration
	err error
}

func (r records) Get(_ context.Context, rec store.Record) error {
	if r.err != nil {
		return r.err
	}
	got := rec.(*store.Registration)
	if got.Thing != r.one.Thing {
		return store.ErrNotFound
	}
	*got = r.one
	return nil
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestCheckRing(t *testing.T) {
	ring := newRing(t)
	sealed, err := ring.Seal("A::1", seal.FieldAccessToken, "canary-token")
	if err != nil {
		t.Fatal(err)
	}
	stored := records{one: store.Registration{Thing: "A::1", AccessToken: sealed}}
	check := func(ring *seal.Ring, from records, thing, name string, want ...string) {
		t.Helper()
		wants(t, doctor.CheckRing(t.Context(), ring, "restock.db.keys", from, []string{thing}), map[string][]string{name: want})
	}
	check(ring, stored, "A::1", "key ring", "ok", "1 stored")
	check(ring, stored, "A::2", "key ring", "ok", "No token")
	check(newRing(t), stored, "A::1", "stored tokens", "fail", "restock.db.keys", "access_token of A::1")
	check(ring, records{err: errors.New("disk")}, "A::1", "stored tokens", "fail", "disk")
}

func TestFindingsAsJSON(t *testing.T) {
	var f doctor.Findings
	f.OK("a", "Well.")
	f.Fail("b", "SETTING", "Change it.", "Not %s.", "well")
	text, err := json.Marshal(f)
	want := `[{"level":"ok","check":"a","found":"Well."},{"level":"fail","check":"b","found":"Not well.","setting":"SETTING","fix":"Change it."}]`
	if err != nil || string(text) != want {
		t.Errorf("as JSON: %s, %v, want %s", text, err, want)
	}
	if f.Count(doctor.Fail) != 1 || f.Count(doctor.Warn) != 0 {
		t.Errorf("Count is wrong")
	}
}
