package callback_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/openapitest"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func (w *world) do(r *http.Request) *answer {
	w.Helper()
	res := openapitest.Serve(w, w.h, r).Result()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return &answer{res.StatusCode, res.Header, string(body)}
}

// post sends JSON, with a device key unless it is "".
func (w *world) post(path, key, body string) *answer {
	w.Helper()
	r := httptest.NewRequest(http.MethodPost, origin+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return w.do(r)
}

// browser is a customer's browser, with its cookies.
type browser struct {
	*world
	jar *cookiejar.Jar
}

func (w *world) browser() *browser {
	w.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	return &browser{w, jar}
}

// get opens an address: a path of ours, or a whole one.
func (b *browser) get(address string) *answer { return b.open(http.MethodGet, address) }

// open opens an address, with further headers unless they are "".
func (b *browser) open(method, address string, headers ...string) *answer {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = origin + address
	}
	r := httptest.NewRequest(method, address, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	a := b.do(r)
	b.jar.SetCookies(r.URL, (&http.Response{Header: a.header}).Cookies())
	return a
}

// login opens a login, and returns Amazon's page.
func (b *browser) login(query string) string {
	b.Helper()
	a := b.get("/login?"+query).want(b, http.StatusFound)
	return a.header.Get("Location")
}

// back answers Amazon's page, and returns the address that Amazon sends the browser to.
func (b *browser) back(page string, v lwatest.Visitor) string {
	b.Helper()
	u, err := b.lwa.Visit(page, v)
	if err != nil {
		b.Fatal(err)
	}
	return u.String()
}

// signIn goes all the way, from /login to the outcome.
func (b *browser) signIn(query string, v lwatest.Visitor) *answer {
	b.Helper()
	return b.get(b.back(b.login(query), v))
}

// pair registers the device for a customer, in a browser of its own.
func (w *world) pair(customer string) {
	w.Helper()
	w.browser().signIn(device, lwatest.Visitor{Customer: customer}).want(w, http.StatusOK)
}

// started is the answer of POST /v1/pairings.
type started struct {
	ID        string    `json:"id"`
	DeviceKey string    `json:"device_key"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	Interval  int       `json:"interval"`
}

// startPairing starts a pairing of the device, with its present key unless it is "".
func (w *world) startPairing(key string) *started {
	w.Helper()
	var s started
	w.post("/v1/pairings", key, `{"device_model":"ACME-VAC-1","serial":"SN+1"}`).want(w, http.StatusCreated).json(w, &s)
	return &s
}

// poll asks how far a pairing has come.
func (w *world) poll(s *started) string {
	w.Helper()
	var p struct{ Status, Thing string }
	w.ask(s.ID, s.DeviceKey).want(w, http.StatusOK).json(w, &p)
	if p.Thing != name {
		w.Errorf("thing = %q, want %q", p.Thing, name)
	}
	return p.Status
}

func (w *world) ask(id, key string) *answer {
	w.Helper()
	r := httptest.NewRequest(http.MethodGet, origin+"/v1/pairings/"+id, nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return w.do(r)
}

// appCode returns a code that a companion app got, for a customer.
func (w *world) appCode(clientID, customer string) string {
	w.Helper()
	c := lwa.Client{ClientID: clientID, RedirectURL: appURL, Endpoint: w.lwa.Endpoint()}
	page, err := c.AuthCodeURL(lwa.AuthRequest{
		State: "app", Scopes: []string{"dash:replenish"},
		ScopeData:     map[string]any{"dash:replenish": map[string]string{"device_model": model, "serial": serial}},
		CodeChallenge: lwa.Challenge(lwa.NewSecret(verifier)),
	})
	if err != nil {
		w.Fatal(err)
	}
	u, err := w.lwa.Visit(page, lwatest.Visitor{Customer: customer})
	if err != nil {
		w.Fatal(err)
	}
	return u.Query().Get("code")
}

// register sends a companion app's code.
func (w *world) register(code string, members ...string) *answer {
	w.Helper()
	body := map[string]any{
		"device_model": model, "serial": serial, "code": code, "redirect_uri": appURL, "code_verifier": verifier,
	}
	for i := 0; i < len(members); i += 2 {
		body[members[i]] = members[i+1]
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	return w.post("/v1/registrations", "", string(text))
}

// lastEvent returns the newest thing that a device was told.
func (w *world) lastEvent() (thing, event string, payload message.Registration) {
	w.Helper()
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	if len(w.told.events) == 0 {
		w.Fatal("no device was told anything")
	}
	e := w.told.events[len(w.told.events)-1]
	payload, _ = e.payload.(message.Registration)
	return e.thing, e.event, payload
}

// query returns a parameter of an address.
func query(t testing.TB, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

// loginOf returns the key of the login that leads to an authorize page.
func loginOf(t testing.TB, page string) *store.Login {
	t.Helper()
	sum := sha256.Sum256([]byte(query(t, page, "state")))
	return &store.Login{StateHash: hex.EncodeToString(sum[:])}
}
