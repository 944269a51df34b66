package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const vac = "ACME-VAC-1::SN0001"

// memory keeps records, as a data file would.
type memory struct {
	mu     sync.Mutex
	spaces map[string]map[string]sandbox.Record
	fail   error
}

func (m *memory) Load(space string) ([]sandbox.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.spaces[space])), m.fail
}

func (m *memory) Save(space string, records []sandbox.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.spaces == nil {
		m.spaces = map[string]map[string]sandbox.Record{}
	}
	if m.spaces[space] == nil {
		m.spaces[space] = map[string]sandbox.Record{}
	}
	for _, r := range records {
		if m.spaces[space][r.Key] = r; r.Value == nil {
			delete(m.spaces[space], r.Key)
		}
	}
	return nil
}

// world is a sandbox behind a server, with one client.
type world struct {
	*sandbox.Sandbox
	url   string
	lwa   *lwa.Client
	drs   *drs.Client
	notes chan string // types of the notifications
	moved chan struct{}
}

func open(t *testing.T, keep sandbox.Keep) *world {
	t.Helper()
	w := &world{notes: make(chan string, 50), moved: make(chan struct{}, 50)}
	client := lwatest.DefaultClient()
	client.Secret = lwa.NewSecret("sandbox-test-secret")
	box, err := sandbox.New(sandbox.Options{
		Client: client, Keep: keep,
		Moved: func() { w.moved <- struct{}{} },
		Notify: func(body []byte, _ map[string]string) {
			var n struct {
				Info struct {
					Type string `json:"notificationType"`
				} `json:"notificationInfo"`
			}
			if err := json.Unmarshal(body, &n); err != nil {
				t.Errorf("notification %s: %v", body, err)
			}
			w.notes <- n.Info.Type
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler("sandbox.example"))
	t.Cleanup(srv.Close)
	w.Sandbox, w.url = box, srv.URL
	w.lwa = &lwa.Client{
		ClientID: client.ID, ClientSecret: client.Secret, RedirectURL: client.RedirectURLs[0], Now: box.Clock().Now,
		Endpoint: lwa.Endpoint{AuthorizeURL: srv.URL + "/ap/oa", APIURL: srv.URL},
	}
	w.drs = &drs.Client{BaseURL: srv.URL}
	return w
}

// pair has the customer agree and exchanges the code.
func (w *world) pair(t *testing.T) *lwa.Token {
	t.Helper()
	return w.pairAs(t, "")
}

func (w *world) pairAs(t *testing.T, customer string) *lwa.Token {
	t.Helper()
	page, err := w.lwa.AuthCodeURL(lwa.AuthRequest{
		State: "s", Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{"dash:replenish": map[string]any{"device_model": "ACME-VAC-1", "serial": "SN0001"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	back, err := w.LWA.Visit(page, lwatest.Visitor{Customer: customer})
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.lwa.Exchange(t.Context(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call asks the control API and decodes what it answers, whatever the status.
func (w *world) call(t *testing.T, method, path, body string, answer any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s answered %s: %v", method, path, text, err)
		}
	}
	return res.StatusCode
}

func (w *world) note(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-w.notes:
		if got != want {
			t.Errorf("notification %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no notification %s", want)
	}
}

func TestConsentRegistersAndOrders(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	w.note(t, "DeviceRegisteredNotification")
	w.note(t, "SubscriptionChangedNotification")
	slots, err := w.drs.Subscriptions(t.Context(), token.AccessToken.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	subscribed := map[string]bool{}
	for _, s := range slots {
		subscribed[s.ID] = s.Subscribed
	}
	if want := map[string]bool{"filter": true, "main-brush": true, "side-brush": false}; !maps.Equal(subscribed, want) {
		t.Errorf("slots = %v, want %v", subscribed, want)
	}
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil || r.DetailCode != drs.StandardOrderPlaced {
		t.Fatalf("Replenish() = %+v, %v", r, err)
	}
	w.note(t, "OrderPlacedNotification")
	var o drstest.Order
	if status := w.call(t, "POST", "/sandbox/orders/"+url.PathEscape(r.EventInstanceID)+"/ship", "", &o); status != 200 || o.State != drstest.Shipped {
		t.Errorf("shipping answered %d with state %s", status, o.State)
	}
	w.note(t, "ItemShippedNotification")
}

// A second customer's consent that comes to nothing, since Restock refuses it, harms
// nobody; a device that changes hands for good goes on with the new customer's token.
func TestSecondCustomer(t *testing.T) {
	const two = "amzn1.account.AEXAMPLETWO"
	press := func(t *testing.T, w *world, token *lwa.Token) error {
		t.Helper()
		_, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
		return err
	}
	for _, moves := range []bool{false, true} {
		keep := new(memory)
		w := open(t, keep)
		if w.call(t, "POST", "/sandbox/switches", fmt.Sprintf(`{"consent_moves":%t}`, moves), nil) != 200 {
			t.Fatal("the switch was refused")
		}
		w = open(t, keep) // it is kept
		first := w.pair(t)
		if err := w.DRS.Subscribe("ACME-VAC-1", "SN0001", "side-brush", true); err != nil {
			t.Fatal(err)
		}
		second := w.pairAs(t, two)
		if err := press(t, w, first); (err != nil) != moves {
			t.Errorf("consent_moves %t: the first customer's press = %v", moves, err)
		}
		if err := press(t, w, second); err != nil {
			t.Errorf("consent_moves %t: the second customer's press = %v", moves, err)
		}
		if moves {
			continue
		}
		if r, _ := w.DRS.Registration("ACME-VAC-1", "SN0001"); r.CustomerID != two || r.Slots[2].Subscribed {
			t.Errorf("registration = %+v, want the second customer's", r)
		}
		slots, err := w.drs.Subscriptions(t.Context(), first.AccessToken.Reveal())
		if err != nil || !slots[2].Subscribed {
			t.Errorf("the first customer's slots = %+v, %v, want the own subscriptions again", slots, err)
		}
	}
}

// Where the first customer has withdrawn, the second's consent is enough.
func TestSecondCustomerAfterTheFirst(t *testing.T) {
	w := open(t, new(memory))
	w.pair(t)
	if _, err := w.Withdraw(lwatest.Match{Serial: "SN0001"}, false); err != nil {
		t.Fatal(err)
	}
	w.pairAs(t, "amzn1.account.AEXAMPLETWO")
	if r, _ := w.DRS.Registration("ACME-VAC-1", "SN0001"); r.CustomerID != "amzn1.account.AEXAMPLETWO" {
		t.Errorf("registration = %+v, want the second customer's", r)
	}
}

func TestDeregistrationEndsTheGrant(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	if err := w.drs.Deregister(t.Context(), token.AccessToken.Reveal()); err != nil {
		t.Fatal(err)
	}
	var refused *lwa.Error
	if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); !errors.As(err, &refused) || refused.Code != lwa.InvalidGrant {
		t.Errorf("Refresh() after the deregistration = %v, want invalid_grant", err)
	}
}

func TestWithdraw(t *testing.T) {
	for _, c := range []struct {
		name, body string
		registered bool // at DRS, afterwards
	}{
		{"by thing", `{"thing":"` + vac + `"}`, true},
		{"by customer", `{"customer":"amzn1.account.AEXAMPLEONE"}`, true},
		{"and DRS tells", `{"thing":"` + vac + `","notify":true}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, new(memory))
			token := w.pair(t)
			var ended struct{ Ended int }
			if status := w.call(t, "POST", "/sandbox/withdraw", c.body, &ended); status != 200 || ended.Ended != 1 {
				t.Fatalf("withdrawing answered %d, ended %d", status, ended.Ended)
			}
			if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); err == nil {
				t.Error("the refresh token still works")
			}
			if _, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter"); !errors.Is(err, drs.ErrInvalidToken) {
				t.Errorf("Replenish() = %v, want ErrInvalidToken", err)
			}
			st := w.State()
			if d := st.Devices[0]; d.Thing != vac || d.Registered != c.registered || d.Consent {
				t.Errorf("device %+v, want registered %v and no consent", d, c.registered)
			}
		})
	}
}

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

func TestOrdersShipInTime(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Advance(25 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if o, ok := w.DRS.Order(r.EventInstanceID); !ok || o.State != drstest.Shipped {
		t.Errorf("order after a day is %s, want shipped", o.State)
	}
}

func TestSurvivesRestart(t *testing.T) {
	keep := new(memory)
	w := open(t, keep)
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, keep)
	if _, err := again.lwa.Refresh(t.Context(), token.RefreshToken); err != nil {
		t.Errorf("Refresh() after a restart = %v", err)
	}
	second, err := again.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil || second.DetailCode != drs.OrderInProgress || second.EventInstanceID != r.EventInstanceID {
		t.Errorf("Replenish() after a restart = %+v, %v; want the open order", second, err)
	}
	if n := len(again.DRS.Orders()); n != 1 {
		t.Errorf("%d orders after a restart, want 1", n)
	}
}

func TestKeepFails(t *testing.T) {
	keep := &memory{fail: errors.New("disk full")}
	client := lwatest.DefaultClient()
	if _, err := sandbox.New(sandbox.Options{Client: client, Keep: keep}); err == nil {
		t.Error("a state that can't be read was passed over")
	}
	keep.fail = nil
	w := open(t, keep)
	keep.fail = errors.New("disk full")
	if err := w.Advance(time.Hour); err == nil || w.Clock().Offset() != 0 {
		t.Errorf("Advance() = %v with offset %v, want an error and none", err, w.Clock().Offset())
	}
}

func TestDamagedState(t *testing.T) {
	keep := &memory{spaces: map[string]map[string]sandbox.Record{
		"drs": {"order/1": {Key: "order/1", Value: json.RawMessage(`{"id":`)}},
	}}
	if _, err := sandbox.New(sandbox.Options{Client: lwatest.DefaultClient(), Keep: keep}); err == nil {
		t.Error("damaged state was passed over")
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

// All that LWA serves is at the sandbox's one address.
func TestRoutesOfLWA(t *testing.T) {
	w := open(t, new(memory))
	for _, path := range []string{"/ap/oa", "/auth/o2/token", "/auth/O2/create/codepair", "/us/code", "/auth/o2/tokeninfo", "/user/profile", "/api/appstore/v1/applications"} {
		w.call(t, "GET", path, "", nil)
	}
	for route, n := range map[lwatest.Route]int{lwatest.RouteAuthorize: 1, lwatest.RouteToken: 1, lwatest.RouteCodePair: 1, lwatest.RouteVerify: 1, lwatest.RouteTokenInfo: 1, lwatest.RouteProfile: 1, lwatest.RouteAppstore: 1} {
		if got := w.LWA.Calls(route, ""); got != n {
			t.Errorf("%s was asked %d times, want %d", route, got, n)
		}
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

func TestGuard(t *testing.T) {
	w := open(t, new(memory))
	for _, c := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"script", "POST", "/sandbox/clock", "localhost:8081", nil, 200},
		{"by address", "POST", "/sandbox/clock", "127.0.0.1:8081", nil, 200},
		{"by IPv6 address", "POST", "/sandbox/clock", "[::1]:8081", nil, 200},
		{"by its known name", "POST", "/sandbox/clock", "sandbox.example", nil, 200},
		{"rebound name", "POST", "/sandbox/clock", "evil.example:8081", nil, 400},
		{"rebound name reads", "GET", "/sandbox/state", "evil.example", nil, 400},
		{"rebound name at LWA", "GET", "/ap/oa", "evil.example", nil, 400},
		{"rebound name at DRS", "GET", "/subscriptionInfo", "evil.example", nil, 400},
		{"another site's page", "POST", "/sandbox/clock", "localhost:8081", map[string]string{"Origin": "https://evil.example"}, 403},
		{"another port's page", "POST", "/sandbox/do", "localhost:8081", map[string]string{"Origin": "http://localhost:9999"}, 403},
		{"cross-site without origin", "POST", "/sandbox/do", "localhost:8081", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"its own page", "POST", "/sandbox/clock", "localhost:8081", map[string]string{"Origin": "http://localhost:8081"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(`{"advance":"1s"}`))
			r.Host = c.host
			r.Header.Set("Content-Type", "application/json")
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			res := httptest.NewRecorder()
			w.Handler("sandbox.example").ServeHTTP(res, r)
			if res.Code != c.want {
				t.Errorf("answered %d %s, want %d", res.Code, res.Body, c.want)
			}
			if media := res.Header().Get("Content-Type"); c.want >= 400 && media != "application/problem+json" {
				t.Errorf("the refusal is %s, want a problem", media)
			}
		})
	}
}

func TestPage(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	get := func() string {
		res := httptest.NewRecorder()
		w.Handler().ServeHTTP(res, httptest.NewRequest("GET", "http://localhost/", http.NoBody))
		if res.Code != 200 || !strings.HasPrefix(res.Header().Get("Content-Type"), "text/html") {
			t.Fatalf("the page answered %d", res.Code)
		}
		return res.Body.String()
	}
	press := func(f url.Values) *httptest.ResponseRecorder {
		req := httptest.NewRequest("POST", "http://localhost/sandbox/do", strings.NewReader(f.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res := httptest.NewRecorder()
		w.Handler().ServeHTTP(res, req)
		return res
	}
	page := get()
	for _, want := range []string{vac, "filter", "Customer One", "Ship", "Withdraw consent", "refresh"} {
		if want != "refresh" && !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	// Who hears the buttons one by one must know whose they are: every device has the same.
	for _, button := range regexp.MustCompile(`<button name="do"[^>]*>[^<]*`).FindAllString(page, -1) {
		name := regexp.MustCompile(`aria-label="([^"]*)"`).FindStringSubmatch(button)
		if name == nil || !strings.Contains(name[1], vac) || !strings.HasPrefix(name[1], button[strings.Index(button, ">")+1:]) {
			t.Errorf("nothing but what stands around it says what this button is for: %s", button)
		}
	}
	for _, secret := range []string{token.AccessToken.Reveal(), token.RefreshToken.Reveal(), w.lwa.ClientSecret.Reveal()} {
		if strings.Contains(page, secret) {
			t.Error("the page shows a secret")
		}
	}
	for _, c := range []struct {
		form url.Values
		ok   func(sandbox.State) bool
	}{
		{url.Values{"do": {"ship"}, "order": {r.EventInstanceID}}, func(s sandbox.State) bool { return s.Orders[0].State == drstest.Shipped }},
		{url.Values{"do": {"unsubscribe"}, "thing": {vac}, "slot": {"filter"}}, func(s sandbox.State) bool { return !s.Devices[0].Slots[0].Subscribed }},
		{url.Values{"do": {"subscribe"}, "thing": {vac}, "slot": {"filter"}}, func(s sandbox.State) bool { return s.Devices[0].Slots[0].Subscribed }},
		{url.Values{"do": {"withdraw"}, "thing": {vac}}, func(s sandbox.State) bool { return !s.Devices[0].Consent }},
		{url.Values{"do": {"deregister"}, "thing": {vac}}, func(s sandbox.State) bool { return !s.Devices[0].Registered }},
		{url.Values{"do": {"clock"}, "advance": {"1h"}}, func(s sandbox.State) bool { return time.Duration(s.Moved) == time.Hour }},
	} {
		res := press(c.form)
		if res.Code != http.StatusSeeOther || !strings.HasPrefix(res.Header().Get("Location"), "/?done=") {
			t.Errorf("%v answered %d %s", c.form, res.Code, res.Body)
		}
		if !c.ok(w.State()) {
			t.Errorf("%v changed nothing", c.form)
		}
	}
	for _, bad := range []url.Values{
		{}, {"do": {"explode"}, "thing": {vac}}, {"do": {"ship"}, "order": {"<script>"}}, {"do": {"clock"}, "advance": {"-1h"}}, {"do": {"withdraw"}},
	} {
		if res := press(bad); res.Code != 400 || !strings.Contains(res.Body.String(), "not possible") || strings.Contains(res.Body.String(), "<script>") {
			t.Errorf("%v answered %d", bad, res.Code)
		}
	}
}

// A person's name and a slot may hold anything; the page must not run it.
func TestPageEscapes(t *testing.T) {
	w := open(t, new(memory))
	const evil = `<img src=x onerror=alert(1)>`
	if err := w.LWA.AddCustomer(lwatest.Customer{UserID: "amzn1.account.X", Name: evil, Email: "x@example.com"}); err != nil {
		t.Fatal(err)
	}
	res := httptest.NewRecorder()
	w.Handler().ServeHTTP(res, httptest.NewRequest("GET", "http://localhost/?done="+url.QueryEscape(evil)+"&problem="+url.QueryEscape(evil), http.NoBody))
	if strings.Contains(res.Body.String(), evil) || !strings.Contains(res.Body.String(), "&lt;img") {
		t.Error("the page shows markup of others as its own")
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

// Another host name may be a stranger's; the answer says how it is let in.
func TestUnknownHost(t *testing.T) {
	w := open(t, new(memory))
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:81": 200, "127.0.0.1": 200, "[::1]:81": 200, "[::1]": 200, "sandbox.example:81": 200,
		"app.localhost": 400, "elsewhere.example": 400, "localhost.elsewhere.example": 400,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/sandbox/calls", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || want != 200 && !strings.Contains(string(body), "--host-name") {
			t.Errorf("%s = %d %s %v, want %d", host, resp.StatusCode, body, err, want)
		}
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
