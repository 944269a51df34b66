package lwatest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

var noon = time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)

const (
	clientID    = "amzn1.application-oa2-client.00000000000000000000000000000001"
	otherID     = "amzn1.application-oa2-client.00000000000000000000000000000002"
	publicID    = "amzn1.application-oa2-client.00000000000000000000000000000003"
	secret      = "canary-secret-of-the-client"
	otherSecret = "canary-secret-of-the-other"
	redirectURL = "https://app.example.com/callback?fixed=1"
	customerOne = "amzn1.account.AONE"
	customerTwo = "amzn1.account.ATWO"
	dashData    = `{"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN+0001"}}`
)

// options are those of most tests: three clients, two customers, a clock that stands.
func options() lwatest.Options {
	client := func(id, name, secret string) lwatest.Client {
		return lwatest.Client{ID: id, Name: name, Secret: lwa.NewSecret(secret), RedirectURLs: []string{redirectURL, "http://localhost:8080/callback"}}
	}
	return lwatest.Options{
		Clock:   lwatest.NewStoppedClock(noon),
		Clients: []lwatest.Client{client(clientID, "Acme", secret), client(otherID, "Other", otherSecret), client(publicID, "App", "")},
		Customers: []lwatest.Customer{
			{UserID: customerOne, Name: "Customer One", Email: "one@example.com", PostalCode: "98101"},
			{UserID: customerTwo, Name: "Customer Two", Email: "two@example.com", PostalCode: "10115"},
		},
	}
}

// newServer makes a server that is asked in memory; set changes its switches.
func newServer(t testing.TB, set func(*lwatest.Switches)) *lwatest.Server {
	t.Helper()
	o := options()
	if set != nil {
		sw := lwatest.DefaultSwitches()
		set(&sw)
		o.Switches = &sw
	}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

func (a answer) str(name string) string {
	s, _ := a.JSON[name].(string)
	return s
}

func do(t testing.TB, srv *lwatest.Server, r *http.Request) answer {
	t.Helper()
	resp, err := srv.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	_ = json.Unmarshal(body, &a.JSON) // pages are no JSON
	return a
}

func request(t testing.TB, method, target, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, "http://lwa.invalid"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func get(t testing.TB, srv *lwatest.Server, target string) answer {
	t.Helper()
	return do(t, srv, request(t, "GET", target, "", ""))
}

const form = "application/x-www-form-urlencoded"

// post sends a token request.
func post(t testing.TB, srv *lwatest.Server, values url.Values) answer {
	t.Helper()
	return do(t, srv, request(t, "POST", "/auth/o2/token", form, values.Encode()))
}

// with returns a copy of v with members set; an empty value takes one out.
func with(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		} else {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return out
}

// page is an authorize URL, with members changed as in with.
func page(pairs ...string) string {
	return "http://lwa.invalid/ap/oa?" + with(url.Values{
		"client_id": {clientID}, "redirect_uri": {redirectURL}, "response_type": {"code"},
		"scope": {"profile"}, "state": {"the state"},
	}, pairs...).Encode()
}

// visit has a customer agree and returns what the client gets.
func visit(t testing.TB, srv *lwatest.Server, pairs ...string) url.Values {
	t.Helper()
	back, err := srv.Visit(page(pairs...), lwatest.Visitor{})
	if err != nil {
		t.Fatal(err)
	}
	if back.Query().Get("code") == "" {
		t.Fatalf("no code came back: %s", back)
	}
	return back.Query()
}

// exchangeForm is a good exchange of a code.
func exchangeForm(code string, pairs ...string) url.Values {
	return with(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURL},
		"client_id": {clientID}, "client_secret": {secret},
	}, pairs...)
}

func refreshForm(token string, pairs ...string) url.Values {
	return with(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID}, "client_secret": {secret},
	}, pairs...)
}

// paired signs a customer in for a device and returns the tokens.
func paired(t testing.TB, srv *lwatest.Server, pairs ...string) answer {
	t.Helper()
	q := visit(t, srv, append([]string{"scope", "dash:replenish", "scope_data", dashData}, pairs...)...)
	return wantTokens(t, post(t, srv, exchangeForm(q.Get("code"))))
}

func wantTokens(t testing.TB, a answer) answer {
	t.Helper()
	if a.Status != 200 || a.str("access_token") == "" {
		t.Fatalf("answer = %d %s, want tokens", a.Status, a.Body)
	}
	return a
}

func wantRefusal(t testing.TB, a answer, status int, code, description string) {
	t.Helper()
	if a.Status != status || a.str("error") != code || a.str("error_description") != description {
		t.Errorf("answer = %d %s: %s\nwant     %d %s: %s", a.Status, a.str("error"), a.str("error_description"), status, code, description)
	}
}
