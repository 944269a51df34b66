package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestClock(t *testing.T) {
	keep := new(memory)
	w := open(t, keep)
	token := w.pair(t)
	before := w.Clock().Now()
	var clock struct {
		Now   time.Time
		Moved lwatest.Duration
	}
	if status := w.call(t, "POST", "/sandbox/clock", `{"advance":"2h"}`, &clock); status != 200 {
		t.Fatalf("answered %d", status)
	}
	if moved := clock.Now.Sub(before); moved < 2*time.Hour || moved > 2*time.Hour+time.Minute || time.Duration(clock.Moved) != 2*time.Hour {
		t.Errorf("moved by %v, says %v", moved, clock.Moved)
	}
	select {
	case <-w.moved:
	default:
		t.Error("Moved was not told")
	}
	if _, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter"); !errors.Is(err, drs.ErrInvalidToken) {
		t.Errorf("Replenish() with a token of two hours ago = %v, want ErrInvalidToken", err)
	}
	for _, bad := range []string{`{}`, `{"advance":"0s"}`, `{"advance":"-1h"}`, `{"advance":"soon"}`, `{"advance":"900000h"}`, `[]`, `{"advance":3}`} {
		var p struct{ Code string }
		if status := w.call(t, "POST", "/sandbox/clock", bad, &p); status != 400 || p.Code == "" {
			t.Errorf("%s answered %d %s, want a 400", bad, status, p.Code)
		}
	}
	if again := open(t, keep); again.Clock().Offset() != 2*time.Hour {
		t.Errorf("clock after a restart is moved by %v, want 2h", again.Clock().Offset())
	}
}

func TestFaultsAndSwitches(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	var f sandbox.Faults
	if status := w.call(t, "POST", "/sandbox/faults", `{"drs":[{"route":"replenish","kind":"server_error"}],"lwa":[{"route":"token","kind":"throttled","retry_after":"7"}]}`, &f); status != 200 || len(f.DRS) != 1 || len(f.LWA) != 1 {
		t.Fatalf("answered %d with %+v", status, f)
	}
	if _, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter"); !errors.Is(err, drs.ErrServer) {
		t.Errorf("Replenish() = %v, want ErrServer", err)
	}
	var throttled *lwa.Error
	if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); !errors.As(err, &throttled) || throttled.StatusCode != 429 || throttled.RetryAfter != 7*time.Second {
		t.Errorf("Refresh() = %v, want 429 with Retry-After", err)
	}
	for _, bad := range []string{`{}`, `{"drs":[{"route":"nowhere","kind":"hang"}]}`, `{"lwa":[{"route":"token","kind":"slow"}],"drs":[{"route":"replenish","kind":"server_error"}]}`} {
		if status := w.call(t, "POST", "/sandbox/faults", bad, nil); status != 400 {
			t.Errorf("%s answered %d, want 400", bad, status)
		}
	}
	if w.call(t, "GET", "/sandbox/faults", "", &f); len(f.DRS)+len(f.LWA) != 0 {
		t.Errorf("faults left: %+v", f)
	}
	w.call(t, "POST", "/sandbox/faults", `{"drs":[{"route":"replenish","kind":"server_error"}]}`, nil)
	if w.call(t, "DELETE", "/sandbox/faults", "", &f); len(f.DRS) != 0 {
		t.Errorf("faults after clearing: %+v", f)
	}

	var sw sandbox.Switches
	if status := w.call(t, "POST", "/sandbox/switches", `{"lwa":{"access_life":"10m"},"drs":{"order_problem":true}}`, &sw); status != 200 {
		t.Fatalf("setting switches answered %d", status)
	}
	if time.Duration(sw.LWA.AccessLife) != 10*time.Minute || !sw.LWA.PlainChallenge || !sw.DRS.OrderProblem {
		t.Errorf("switches %+v: those that were not named must stay", sw)
	}
	if status := w.call(t, "POST", "/sandbox/switches", `{"lwa":{"consent":"perhaps"}}`, nil); status != 400 {
		t.Errorf("a bad switch answered %d, want 400", status)
	}
}

func TestJournalAndCalls(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	if _, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); err != nil {
		t.Fatal(err)
	}
	var c sandbox.Calls
	w.call(t, "GET", "/sandbox/calls", "", &c)
	if c.LWA["refresh_token"] != 1 || c.LWA["authorization_code"] != 1 || c.LWA["token"] != 2 || c.DRS["replenish"] != 1 {
		t.Errorf("calls %+v", c)
	}
	var all, rest sandbox.Journal
	w.call(t, "GET", "/sandbox/journal", "", &all)
	last := all.LWA[len(all.LWA)-1]
	if last.GrantType != "refresh_token" || len(all.DRS) != 1 {
		t.Errorf("journal %+v", all)
	}
	w.call(t, "GET", "/sandbox/journal?lwa=1&drs=1", "", &rest)
	if len(rest.LWA) != len(all.LWA)-1 || len(rest.DRS) != 0 {
		t.Errorf("journal after the first: %d and %d entries", len(rest.LWA), len(rest.DRS))
	}
}

// Whoever copies a sample of the index gets what it says.
func TestIndex(t *testing.T) {
	w := open(t, new(memory))
	w.pair(t)
	var all []struct {
		Method, Path, Does string
		Body               json.RawMessage
	}
	if status := w.call(t, "GET", "/sandbox", "", &all); status != 200 {
		t.Fatalf("answered %d", status)
	}
	res := httptest.NewRecorder()
	w.Handler().ServeHTTP(res, httptest.NewRequest("GET", "http://localhost/sandbox", http.NoBody))
	if lines := strings.Count(res.Body.String(), "\n"); lines != len(all)+1 || strings.Contains(res.Body.String(), `\u0026`) {
		t.Errorf("%d routes in %d lines, hard to read: %s", len(all), lines, res.Body)
	}
	listed := map[string]bool{}
	for _, r := range all {
		listed[r.Method+" "+r.Path] = r.Does != ""
		if strings.Contains(r.Path, "{") {
			continue // an order's
		}
		if status := w.call(t, r.Method, r.Path, string(r.Body), nil); status != 200 {
			t.Errorf("%s %s with %s answered %d", r.Method, r.Path, r.Body, status)
		}
	}
	for _, want := range []string{"POST /sandbox/clock", "POST /sandbox/clients", "POST /sandbox/faults", "POST /sandbox/orders/{id}/{step}"} {
		if !listed[want] {
			t.Errorf("%s is not listed", want)
		}
	}
}

// An app's client is registered as in Amazon's console; one with a secret can't be taken over.
func TestClients(t *testing.T) {
	w := open(t, new(memory))
	const app = `{"client_id":"amzn1.application-oa2-client.app","redirect_urls":["amzn://com.example.app"]}`
	if status := w.call(t, "POST", "/sandbox/clients", app, nil); status != 200 {
		t.Fatalf("registering an app = %d", status)
	}
	page, err := (&lwa.Client{
		ClientID: "amzn1.application-oa2-client.app", RedirectURL: "amzn://com.example.app", Endpoint: w.lwa.Endpoint,
	}).AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{"profile"}})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := w.LWA.Visit(page, lwatest.Visitor{}); err != nil || back.Query().Get("code") == "" {
		t.Errorf("signing in with the app = %v, %v", back, err)
	}
	var p struct{ Code, Field string }
	for _, body := range []string{
		`{"client_id":"` + w.lwa.ClientID + `","redirect_urls":["https://elsewhere.example/"]}`,
		`{"client_id":"amzn1.application-oa2-client.app"}`,
		`{"client_id":"amzn1.application-oa2-client.app","redirect_urls":["http://elsewhere.example/"]}`,
		`{"client_id":"amzn1.application-oa2-client.app","redirect_urls":["https://a.example/"],"origins":["a.example"]}`,
	} {
		if status := w.call(t, "POST", "/sandbox/clients", body, &p); status != 400 || p.Code != "bad_field" {
			t.Errorf("%s = %d %+v, want a refusal", body, status, p)
		}
	}
	w.pair(t) // the stack's own client is as it was
}

func FuzzControl(f *testing.F) {
	for _, path := range []string{"clock", "withdraw", "deregister", "subscribe", "customers", "clients", "faults", "switches", "do", "orders/x/ship"} {
		f.Add(path, []byte(`{"advance":"1h","thing":"A::1","slot":"x","subscribed":true,"lwa":[],"drs":[]}`))
		f.Add(path, []byte(`do=clock&advance=1h`))
	}
	client := lwatest.DefaultClient()
	box, err := sandbox.New(sandbox.Options{Client: client, Keep: new(memory)})
	if err != nil {
		f.Fatal(err)
	}
	h := box.Handler()
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		for _, media := range []string{"application/json", "application/x-www-form-urlencoded"} {
			u := url.URL{Scheme: "http", Host: "localhost", Path: "/sandbox/" + path}
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, u.String(), bytes.NewReader(body))
			if err != nil {
				t.Skip()
			}
			r.Header.Set("Content-Type", media)
			res := httptest.NewRecorder()
			h.ServeHTTP(res, r)
			if res.Code >= 500 {
				t.Errorf("%q with %q answered %d", path, body, res.Code)
			}
		}
	})
}

// A test whose fault or switch is misspelt would pass without it: what is not understood is
// refused, and the answer names it.
func TestMisspelt(t *testing.T) {
	w := open(t, new(memory))
	before := w.LWA.Switches()
	for _, tt := range []struct{ path, body, want string }{
		{"faults", `{"lwa":[{"route":"token","kind":"throttled","time":3}]}`, `"time"`},
		{"faults", `{"lwa":[{"route":"token","kind":"slow","delay":"2 s"}]}`, `"2 s" is no duration such as 90s`},
		{"switches", `{"lwa":{"poll_interval":"1s","acces_life":"1s"}}`, `"acces_life"`},
		{"switches", `{"lwa":{"access_life":"an hour"}}`, `"an hour" is no duration such as 90s`},
		{"switches", `{"drs":{"order_problems":true}}`, `"order_problems"`},
		{"clients", `{"client_id":"app","redirect_urls":["amzn://a"],"client_secret":"canary"}`, `"client_secret"`},
		{"clock", `{"advance":"1 day"}`, `"1 day" is no duration such as 90s`},
		{"clock", `{"advance":"1h","advanced":"1h"}`, `"advanced"`},
		{"clock", `{"advance":1}`, "advance must be a string"},
		{"clock", `{"Advance":"1h"}`, `"Advance"`},
		{"faults", `{"LWA":[{"route":"token","kind":"throttled"}]}`, `"LWA"`},
		{"switches", `{"lwa":{"access_life":"1h"},"Drs":{}}`, `"Drs"`},
		{"withdraw", `{"customer":"amzn1.account.A","things":"x"}`, `"things"`},
		{"deregister", `{"thing":"ACME-VAC-1::SN0O01"}`, "ACME-VAC-1::SN0O01 is on no customer's account"},
		{"deregister", `{"thing":"ACME-VAC-1::SN0001","customer":"amzn1.account.A"}`, `"customer"`},
	} {
		var p struct{ Code, Detail string }
		if status := w.call(t, "POST", "/sandbox/"+tt.path, tt.body, &p); status != 400 || p.Code != "bad_field" || !strings.Contains(p.Detail, tt.want) ||
			strings.Contains(p.Detail, "canary") {
			t.Errorf("%s %s = %d %+v, want a word on %s", tt.path, tt.body, status, p, tt.want)
		}
	}
	if len(w.LWA.Faults()) != 0 || w.LWA.Switches() != before || w.Clock().Offset() != 0 {
		t.Error("a refused request changed something")
	}
}

func TestScopesOfARegisteredClient(t *testing.T) {
	w := open(t, new(memory))
	if status := w.call(t, "POST", "/sandbox/clients", `{"client_id":"app","redirect_urls":["amzn://a"],"scopes":["profile"]}`, nil); status != 200 {
		t.Fatalf("registering answered %d", status)
	}
	for scope, want := range map[string]bool{"profile": true, "postal_code": false} {
		app := *w.lwa
		app.ClientID, app.ClientSecret, app.RedirectURL = "app", lwa.Secret{}, "amzn://a"
		page, err := app.AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{scope}})
		if err != nil {
			t.Fatal(err)
		}
		back, err := w.LWA.Visit(page, lwatest.Visitor{})
		if err != nil || back.Query().Has("code") != want {
			t.Errorf("%s led to %v, %v, want a code: %t", scope, back.Query()["error"], err, want)
		}
	}
}

// slowBody is a body that does something before it arrives.
type slowBody struct {
	io.Reader
	before func()
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.before != nil {
		b.before()
		b.before = nil
	}
	return b.Reader.Read(p)
}

// What one request sets is not undone by another that was on its way.
func TestSwitchesOfTwo(t *testing.T) {
	w := open(t, new(memory))
	body := &slowBody{strings.NewReader(`{"lwa":{"poll_interval":"1s"}}`), func() {
		if status := w.call(t, "POST", "/sandbox/switches", `{"lwa":{"scope_always":true},"consent_moves":true}`, nil); status != 200 {
			t.Errorf("the other request answered %d", status)
		}
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/sandbox/switches", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	var sw sandbox.Switches
	if err := json.Unmarshal(rec.Body.Bytes(), &sw); err != nil || time.Duration(sw.LWA.PollInterval) != time.Second || !sw.LWA.ScopeAlways || !sw.ConsentMoves {
		t.Errorf("answered %d %+v %v, want what both have set", rec.Code, sw, err)
	}
}

// The operator makes a new client secret; the old one works on for a while.
func TestNewSecret(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if status := w.call(t, "POST", "/sandbox/secret", `{"client_id":"`+w.lwa.ClientID+`"}`, &made); status != 200 || made.ID != w.lwa.ClientID || len(made.Secret) < 32 {
		t.Fatalf("answered %d for %s with a secret of %d bytes", status, made.ID, len(made.Secret))
	}
	next := *w.lwa
	next.ClientSecret = lwa.NewSecret(made.Secret)
	for name, c := range map[string]*lwa.Client{"old": w.lwa, "new": &next} {
		if _, err := c.Refresh(t.Context(), token.RefreshToken); err != nil {
			t.Errorf("with the %s secret: %v", name, err)
		}
	}
	if err := w.Advance(8 * 24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, lwa.InvalidClient) {
		t.Errorf("with the old secret after eight days: %v, want invalid_client", err)
	}
	if _, err := next.Refresh(t.Context(), token.RefreshToken); err != nil {
		t.Errorf("with the new secret after eight days: %v", err)
	}
	for _, bad := range []string{`{}`, `{"client_id":"amzn1.application-oa2-client.unknown"}`} {
		if status := w.call(t, "POST", "/sandbox/secret", bad, nil); status != 400 {
			t.Errorf("%s answered %d, want 400", bad, status)
		}
	}
}
