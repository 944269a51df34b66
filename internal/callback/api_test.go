package callback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func fakeResponse(r *http.Request, body string) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// authorization is the answer of POST /v1/authorizations.
type authorization struct {
	State               string                    `json:"state"`
	Scope               string                    `json:"scope"`
	ScopeData           map[string]map[string]any `json:"scope_data"`
	CodeChallenge       *string                   `json:"code_challenge"`
	CodeChallengeMethod *string                   `json:"code_challenge_method"`
	RedirectURI         string                    `json:"redirect_uri"`
	AuthorizeURL        string                    `json:"authorize_url"`
	ExpiresAt           time.Time                 `json:"expires_at"`
}

func (w *world) authorize(body string) *authorization {
	w.Helper()
	var a authorization
	w.post("/v1/authorizations", "", body).want(w, http.StatusCreated).json(w, &a)
	return &a
}

// site signs a customer in through a maker's own site.
func (w *world) site(customer string) *answer {
	w.Helper()
	a := w.authorize(`{"device_model":"ACME-VAC-1","serial":"SN+1"}`)
	b := w.browser() // which has no cookie of ours
	return b.get(b.back(a.AuthorizeURL, lwatest.Visitor{Customer: customer}))
}

func TestAuthorizations(t *testing.T) {
	w := newWorld(t)
	a := w.authorize(`{"device_model":"ACME-VAC-1","serial":"SN+1"}`)
	data := a.ScopeData["dash:replenish"]
	if len(a.State) < 43 || a.Scope != "dash:replenish" || len(data) != 2 || data["device_model"] != model || data["serial"] != serial ||
		a.CodeChallenge == nil || *a.CodeChallengeMethod != "S256" || a.RedirectURI != origin+"/callback" ||
		!a.ExpiresAt.Equal(start.Add(10*time.Minute)) {
		t.Errorf("answer = %+v", a)
	}
	for param, want := range map[string]string{
		"state": a.State, "code_challenge": *a.CodeChallenge, "redirect_uri": a.RedirectURI, "scope": a.Scope, "client_id": w.client.ClientID,
	} {
		if got := query(t, a.AuthorizeURL, param); got != want {
			t.Errorf("authorize_url has %s=%q, want %q", param, got, want)
		}
	}
	b := w.browser()
	back := b.back(a.AuthorizeURL, lwatest.Visitor{})
	b.get(back).want(t, http.StatusOK).has(t, "Your device is connected")
	w.browser().get(back).want(t, http.StatusOK) // the state is any browser's, but good once
	if w.exchanges() != 1 {
		t.Errorf("%d codes were sent, want 1", w.exchanges())
	}
}

// A code belongs to the state that it was asked for with: what another sign-in was given, or one
// whose challenge somebody changed on the way to Amazon, pairs nothing.
func TestCodeOfAnotherSignIn(t *testing.T) {
	for name, change := range map[string]func(w *world, page url.Values){
		"another device's": func(w *world, page url.Values) {
			other, err := url.Parse(w.authorize(`{"device_model":"ACME-VAC-1","serial":"SN2"}`).AuthorizeURL)
			if err != nil {
				w.Fatal(err)
			}
			maps.Copy(page, other.Query())
		},
		"without challenge":   func(_ *world, page url.Values) { page.Del("code_challenge"); page.Del("code_challenge_method") },
		"a foreign challenge": func(_ *world, page url.Values) { page.Set("code_challenge", lwa.Challenge(lwa.NewSecret(verifier))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.authorize(`{"device_model":"ACME-VAC-1","serial":"SN+1"}`)
			page, err := url.Parse(a.AuthorizeURL)
			if err != nil {
				t.Fatal(err)
			}
			wanted := page.Query()
			change(w, wanted)
			page.RawQuery = wanted.Encode()
			b := w.browser()
			code := query(t, b.back(page.String(), lwatest.Visitor{}), "code")
			b.get("/callback?state="+a.State+"&code="+code).want(t, http.StatusBadRequest)
			if w.store.size("D#") != 0 || w.exchanges() != 1 {
				t.Errorf("%d registrations after %d exchanges, want none after 1", w.store.size("D#"), w.exchanges())
			}
		})
	}
}

// Amazon's JavaScript SDK can't send a challenge: then there is none, nor a verifier.
func TestAuthorizationsWithoutPKCE(t *testing.T) {
	w := newWorld(t)
	a := w.authorize(`{"device_model":"ACME-VAC-1","serial":"SN+1","pkce":false}`)
	if a.CodeChallenge != nil || a.CodeChallengeMethod != nil || strings.Contains(a.AuthorizeURL, "code_challenge") {
		t.Errorf("answer = %+v, want no challenge", a)
	}
	b := w.browser()
	b.get(b.back(a.AuthorizeURL, lwatest.Visitor{})).want(t, http.StatusOK) // lwatest refuses a stray verifier
	for _, e := range w.lwa.Journal() {
		if e.Route == lwatest.RouteToken && strings.Contains(fmt.Sprint(e.Params), "verifier") {
			t.Errorf("the exchange sent %v", e.Params)
		}
	}
}

func TestRegistrations(t *testing.T) {
	w := newWorld(t)
	var r struct {
		Thing     string `json:"thing"`
		DeviceKey string `json:"device_key"`
		Status    string `json:"status"`
		Slots     []struct {
			Slot       string `json:"slot"`
			Subscribed bool   `json:"subscribed"`
		} `json:"slots"`
		Renewable *bool `json:"renewable"`
	}
	a := w.register(w.appCode(w.client.ClientID, customerTwo)).want(t, http.StatusCreated)
	a.json(t, &r)
	if r.Thing != name || r.Status != "active" || len(r.Slots) != 2 || !r.Slots[1].Subscribed || r.Renewable == nil || !*r.Renewable {
		t.Errorf("answer = %s", a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("an answer with a key may be cached")
	}
	if !w.knows(r.DeviceKey) || strings.Contains(w.store.text(), r.DeviceKey) {
		t.Error("the key must be good, and stored as a hash only")
	}
	for _, e := range w.lwa.Journal() {
		if sent := fmt.Sprint(e.Params); e.Route == lwatest.RouteToken && (strings.Contains(sent, "secret") || strings.Contains(sent, "basic")) {
			t.Errorf("the exchange sent %v, want no secret", e.Params)
		}
	}
	if reg := w.registration(); reg.PublicClient || reg.CustomerID != customerTwo {
		t.Errorf("registration = %+v", reg)
	}
	old := r.DeviceKey
	w.register(w.appCode(w.client.ClientID, customerTwo)).want(t, http.StatusCreated).json(t, &r)
	if w.knows(old) || !w.knows(r.DeviceKey) {
		t.Error("the new key must replace the old one")
	}
}

// A companion app's own client: its grant is refreshed for it, without secret, and its
// token's audience is that client.
func TestRegistrationsOfPublicClient(t *testing.T) {
	w := newWorld(t)
	w.register(w.appCode(appID, customerOne), "client_id", appID).want(t, http.StatusCreated)
	reg := w.registration()
	if !reg.PublicClient || reg.ClientID != appID || reg.CustomerID != customerOne {
		t.Errorf("registration = %+v", reg)
	}
	w.lwa.Clock().Advance(2 * time.Hour)
	if _, err := w.config.Keeper.AccessToken(context.Background(), reg); err != nil {
		t.Errorf("refreshing for the public client: %v", err)
	}
	w.register(w.appCode(w.client.ClientID, customerOne), "client_id", w.client.ClientID).want(t, http.StatusCreated)
	if w.registration().PublicClient {
		t.Error("our own client is no public one")
	}
}

// A grant without refresh token works, and says that it can't be renewed.
func TestRegistrationsWithoutRefreshToken(t *testing.T) {
	w := newWorld(t)
	sw := w.lwa.Switches()
	sw.RefreshTokenWithoutSecret = false
	if err := w.lwa.SetSwitches(sw); err != nil {
		t.Fatal(err)
	}
	w.register(w.appCode(w.client.ClientID, customerOne)).want(t, http.StatusCreated).has(t, `"renewable":false`, `"status":"active"`)
}

func TestBadFields(t *testing.T) {
	w := newWorld(t, func(h *callback.Handler) { h.PublicClients = []string{appID} })
	ok := `"device_model":"A","serial":"1"`
	for _, tc := range []struct{ path, body, code string }{
		{"/v1/authorizations", ``, "bad_body"},
		{"/v1/authorizations", `[]`, "bad_body"},
		{"/v1/authorizations", `{}`, "bad_field"},
		{"/v1/authorizations", `{"device_model":"A"}`, "bad_field"},
		{"/v1/authorizations", `{"device_model":"A B","serial":"1"}`, "bad_field"},
		{"/v1/authorizations", `{"device_model":1,"serial":"1"}`, "bad_field"},
		{"/v1/authorizations", `{` + ok + `,"pkce":"no"}`, "bad_field"},
		{"/v1/pairings", `{"device_model":"A","serial":""}`, "bad_field"},
		{"/v1/pairings", `{` + ok + `,"device_key":1}`, "bad_field"},
		{"/v1/registrations", `{` + ok + `}`, "bad_field"},
	} {
		w.post(tc.path, "", tc.body).problem(t, http.StatusBadRequest, tc.code)
	}
	for _, tc := range [][2]string{
		{"code", ""},
		{"code", "a b"},
		{"code", "a\x00"},
		{"code", strings.Repeat("a", 513)},
		{"code_verifier", strings.Repeat("a", 42)},
		{"code_verifier", strings.Repeat("a", 129)},
		{"code_verifier", strings.Repeat("a", 42) + "+"},
		{"code_verifier", verifier + "\n"},
		{"redirect_uri", ""},
		{"redirect_uri", "/callback"},
		{"redirect_uri", "http://app.example/cb"},
		{"redirect_uri", "javascript:alert(1)"},
		{"redirect_uri", "data:text/html,x"},
		{"redirect_uri", "https://"},
		{"redirect_uri", "amzn://"},
		{"redirect_uri", "https://app.example/cb#x"},
		{"redirect_uri", "https://u:p@app.example/cb"},
		{"redirect_uri", "https://app.example/" + strings.Repeat("a", 2048)},
		{"redirect_uri", "amzn://app\x00"},
		{"redirect_uri", strings.Repeat("a", 129) + "://app"},
		{"client_id", "amzn1.application-oa2-client.someone"},
		{"client_id", appID + " "},
		{"serial", "a/b"},
	} {
		a := w.register("ANdNAVhyhqirUelHGEHA", tc[0], tc[1])
		a.problem(t, http.StatusBadRequest, "bad_field")
		a.has(t, `"field":"`+tc[0]+`"`)
	}
	// With neither secret nor verifier there would be no refresh token.
	w.register("ANdNAVhyhqirUelHGEHA", "code_verifier", "").has(t, "code_verifier is missing", "no refresh token", "/v1/authorizations")
	if w.exchanges() != 0 {
		t.Errorf("%d codes were sent, want none", w.exchanges())
	}
	for _, good := range []string{"https://app.example/cb?x=1", "http://127.0.0.1:9090/cb", "http://localhost/cb", "com.example.app:/cb", "amzn://com.example.app", strings.Repeat("a", 128) + "://app"} {
		w.register("ANdNAVhyhqirUelHGEHA", "redirect_uri", good).problem(t, http.StatusBadRequest, "invalid_grant")
	}
}

func TestRegistrationsRefused(t *testing.T) {
	w := newWorld(t)
	code := w.appCode(w.client.ClientID, customerOne)
	a := w.register(code, "code_verifier", strings.Repeat("x", 43))
	a.problem(t, http.StatusBadRequest, "unauthorized_client")
	if !strings.Contains(a.body, "The verifier is not the one") {
		t.Errorf("answer = %s, want it to say what to change", a.body)
	}
	w.register(code).problem(t, http.StatusBadRequest, "invalid_grant") // LWA takes a code once
	w.register("short").problem(t, http.StatusBadRequest, "invalid_request")
	if w.registration().Version != 0 {
		t.Error("a registration is stored")
	}
}

func TestRegistrationsExchangeUnknown(t *testing.T) {
	for _, kind := range []lwatest.Kind{lwatest.DropAfter, lwatest.Throttled, lwatest.ServerTrouble, lwatest.HTML, lwatest.Hang} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.fail(lwatest.RouteToken, kind, 1)
			a := w.register(w.appCode(w.client.ClientID, customerOne))
			a.problem(t, http.StatusBadGateway, "exchange_unknown")
			if a.header.Get("Retry-After") != "" || w.exchanges() != 1 {
				t.Errorf("Retry-After = %q after %d exchanges, want none after 1", a.header.Get("Retry-After"), w.exchanges())
			}
		})
	}
}

// LWA was not reached, so the code is as good as before, and may be sent again.
func TestRegistrationsUnreachable(t *testing.T) {
	w := newWorld(t)
	code := w.appCode(w.client.ClientID, customerOne)
	w.config.HTTPClient = &http.Client{Transport: unreachable{}}
	w.serve()
	a := w.register(code)
	a.problem(t, http.StatusServiceUnavailable, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("503 has no Retry-After")
	}
	b := w.browser()
	b.get(b.back(b.login(device), lwatest.Visitor{})).want(t, http.StatusBadGateway).has(t, "Amazon did not answer")
	w.config.HTTPClient = w.client.HTTPClient
	w.serve()
	w.register(code).want(t, http.StatusCreated)
}

// A client without a secret that LWA refuses says nothing of our own: anybody can send its ID.
func TestRefusedPublicClientIsNoTroubleOfOurs(t *testing.T) {
	w := newWorld(t)
	code := w.appCode(w.client.ClientID, customerOne)
	const mistyped = "amzn1.application-oa2-client.mistyped"
	w.config.PublicClients = append(w.config.PublicClients, mistyped)
	w.serve()
	w.register(code, "client_id", mistyped).problem(t, http.StatusBadRequest, "invalid_client")
	w.wantCounts(metrics.Sample{Name: "SignIn", Dimensions: map[string]string{"outcome": "refused"}, Value: 1})
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// What fails before the code is sent may be tried again with the same code.
func TestRegistrationsInTrouble(t *testing.T) {
	for what, breakIt := range map[string]func(*world){
		"store": func(w *world) {
			w.store.before = func(string, store.Record) error { return fmt.Errorf("get: %w", store.ErrUnavailable) }
		},
		"credentials": func(w *world) { w.secret.err = errors.New("no secret today") },
		"key ring":    func(w *world) { w.keys.err = errors.New("no keys today") },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			code := w.appCode(w.client.ClientID, customerOne)
			breakIt(w)
			a := w.register(code)
			a.problem(t, http.StatusServiceUnavailable, "unavailable")
			if w.exchanges() != 0 || a.header.Get("Retry-After") == "" {
				t.Errorf("%d codes were sent, want none, and a Retry-After", w.exchanges())
			}
		})
	}
}

// What came of a code that is used up can't be stored: the customer has to sign in again.
func TestRegistrationsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.before = func(op string, rec store.Record) error {
			if _, ok := rec.(*store.Registration); ok && op == "put" {
				return store.ErrUnavailable
			}
			return nil
		}
		w.register(w.appCode(w.client.ClientID, customerOne)).problem(t, http.StatusBadGateway, "exchange_unknown")
	})
}

// An unusual setup: the region of the grant is kept with it.
func TestRegion(t *testing.T) {
	w := newWorld(t, func(h *callback.Handler) { h.Region = lwa.EU })
	w.pair(customerOne)
	if got := w.registration().Region; got != "eu" {
		t.Errorf("region = %q, want eu", got)
	}
}

// Answers that name an error, and yet don't refuse: nobody knows what they mean.
func TestRegistrationsOddAnswers(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		code   string
	}{
		{400, `{"error":"InvalidValue"}`, "InvalidValue"}, // unknown, but a refusal
		{400, `{"error":"a code that is no word"}`, ""},
		{400, `{"error":"` + strings.Repeat("x", 41) + `"}`, ""},
		{400, `{}`, ""},
		{302, `{"error":"moved"}`, ""},
		{200, `{"error":"odd"}`, ""},
		{400, `no JSON`, ""},
		{503, `{"error":"invalid_grant"}`, ""},
		{429, `{"error":"invalid_grant"}`, ""},
	} {
		w := newWorld(t)
		w.config.HTTPClient = &http.Client{Transport: scripted{tc.status, tc.body}}
		w.serve()
		a := w.register("ANdNAVhyhqirUelHGEHA")
		if tc.code != "" {
			a.problem(t, http.StatusBadRequest, tc.code)
		} else {
			a.problem(t, http.StatusBadGateway, "exchange_unknown")
		}
	}
}

type scripted struct {
	status int
	body   string
}

func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	res := fakeResponse(r, s.body)
	res.StatusCode = s.status
	return res, nil
}

// A member of the wrong type is called what the caller calls it.
func TestWrongTypeNamesTheMember(t *testing.T) {
	w := newWorld(t)
	for path, members := range map[string]map[string]string{
		"/v1/authorizations": {"device_model": "7", "serial": "[]", "pkce": `"yes"`},
		"/v1/registrations":  {"device_model": "7", "serial": "true", "code": "1", "code_verifier": "{}"},
		"/v1/pairings":       {"device_model": "{}", "serial": "7", "device_key": "1"},
	} {
		for member, value := range members {
			a := w.post(path, "", `{"`+member+`":`+value+`}`)
			a.problem(t, http.StatusBadRequest, "bad_field")
			var p struct{ Field, Detail string }
			a.json(t, &p)
			if p.Field != member || !strings.HasPrefix(p.Detail, member+" must be ") {
				t.Errorf("%s: field = %q, detail %q; want %s", path, p.Field, p.Detail, member)
			}
		}
	}
}
