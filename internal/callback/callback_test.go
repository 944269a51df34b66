package callback_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestCallbackPairs(t *testing.T) {
	w := newWorld(t)
	a := w.browser().signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusOK)
	inspect(t, a)
	a.has(t, "Your device is connected", "ACME-VAC-1", "SN&#43;1", "filter", "bag", "Not set up")
	reg := w.registration()
	if reg.Status != store.Active || reg.CustomerID != customerTwo || reg.DeviceModel != model || reg.Serial != serial ||
		reg.ClientID != w.client.ClientID || reg.PublicClient || reg.KeyHash != "" || reg.Region != "na" || !reg.StatusAt.Equal(start) {
		t.Errorf("registration = %+v", reg)
	}
	token, err := w.config.Keeper.AccessToken(context.Background(), reg)
	if grant, ok := w.lwa.Lookup(token.Reveal()); err != nil || !ok || grant.Customer != customerTwo {
		t.Errorf("the stored token is of %+v (%v, %v), want a living one of the customer", grant, ok, err)
	}
	thing, event, told := w.lastEvent()
	if thing != name || event != message.EventRegistration || told.Status != "active" || len(told.Slots) != 2 || !told.Renewable {
		t.Errorf("the device was told %q of %q: %+v", event, thing, told)
	}
	if w.exchanges() != 1 {
		t.Errorf("%d codes were sent, want 1", w.exchanges())
	}
}

// What the callback refuses before it looks at the code: nothing is exchanged, and the
// login stays good for the right browser.
func TestCallbackRefuses(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	good := b.back(b.login(device), lwatest.Visitor{})
	state, code := query(t, good, "state"), query(t, good, "code")
	for _, tc := range []struct {
		name, query string
		stranger    bool
		text        string
	}{
		{"nothing", "", false, "not complete"},
		{"no state", "code=" + code, false, "POST /v1/authorizations"},
		{"empty state", "state=&code=" + code, false, "POST /v1/authorizations"},
		{"unknown state", "state=x&code=" + code, false, "expired"},
		{"no code", "state=" + state, false, "not complete"},
		{"empty code", "code=&state=" + state, false, "not complete"},
		{"code with blanks", "code=a+b&state=" + state, false, "not complete"},
		{"code with control character", "code=a%00&state=" + state, false, "not complete"},
		{"long code", "code=" + strings.Repeat("a", 600) + "&state=" + state, false, "not complete"},
		{"state twice", "state=a&state=" + state + "&code=" + code, false, "not complete"},
		{"code twice", "code=a&code=" + code + "&state=" + state, false, "not complete"},
		{"another browser", "code=" + code + "&state=" + state, true, "in this browser"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			who := b
			if tc.stranger {
				who = w.browser()
				who.login(device) // it has cookies, but of another login
			}
			a := who.get("/callback?"+tc.query).want(t, http.StatusBadRequest).has(t, tc.text)
			inspect(t, a)
		})
	}
	if w.exchanges() != 0 || w.registration().Version != 0 {
		t.Errorf("%d codes were sent, want none", w.exchanges())
	}
	b.get(good).want(t, http.StatusOK)
}

// A forged cookie with the right name is not the browser's own.
func TestCallbackForgedCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	r := mustRequest(t, back)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: "forged"})
	}
	w.do(r).want(t, http.StatusBadRequest)
	if w.exchanges() != 0 {
		t.Error("a code was sent")
	}
}

func TestCallbackOpenedAgain(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	b.get(back).want(t, http.StatusOK)
	b.get(back).want(t, http.StatusOK).has(t, "Your device is connected", "filter")
	b.get(back+"&error=access_denied").want(t, http.StatusOK)
	w.browser().get(back).want(t, http.StatusBadRequest) // another browser learns nothing

	edit(t, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
		r.End(store.GrantEnded, store.ReasonConsentWithdrawn, start)
	})
	a := b.get(back).want(t, http.StatusOK).has(t, "no longer connected", "withdrawn")
	inspect(t, a)
	edit(t, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
		r.End(store.Deregistered, store.ReasonDeregistered, start)
	})
	b.get(back).want(t, http.StatusOK).has(t, "no longer connected")

	w.pair(customerTwo) // who is another customer: what the device can order now is not the first customer's to see
	a = b.get(back).want(t, http.StatusOK).has(t, "This sign-in worked")
	if len(find(inspect(t, a), "li", "filter")) > 0 {
		t.Error("the page shows the slots of another customer")
	}
	if w.exchanges() != 2 {
		t.Errorf("%d codes were sent, want 2", w.exchanges())
	}
	w.lwa.Clock().Advance(store.LoginTTL)
	b.get(back).want(t, http.StatusBadRequest).has(t, "expired")
}

// Amazon's error is told in our words, and the link in the page tries again.
func TestCallbackDeclined(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		code   string
		status int
		text   string
	}{
		{"access_denied", 400, "Nothing was changed"},
		{"server_error", 502, "Amazon has a problem"},
		{"temporarily_unavailable", 502, "Amazon has a problem"},
		{"invalid_scope", 400, "Amazon did not accept"},
		{"<script>", 400, "Amazon did not accept"},
	} {
		for _, withState := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/state=%v", tc.code, withState), func(t *testing.T) {
				b := w.browser()
				page := b.login(device)
				address := "/callback?error_description=Access%20not%20permitted.&error=" + tc.code
				if withState {
					address += "&state=" + query(t, page, "state")
				}
				a := b.get(address).want(t, tc.status).has(t, tc.text)
				again := b.get(button(t, a, "Login with Amazon again")).want(t, http.StatusFound)
				b.get(b.back(again.header.Get("Location"), lwatest.Visitor{})).want(t, http.StatusOK)
				// The customer may also have gone back, and said yes after all.
				b.get(b.back(page, lwatest.Visitor{})).want(t, http.StatusOK)
			})
		}
	}
	// Without a state it is only guessed which login is meant where there is one.
	b := w.browser()
	b.login(device)
	b.login(device)
	a := b.get("/callback?error=access_denied").want(t, http.StatusBadRequest)
	button(t, a, "Start again")
}

func TestCallbackRefusedByLWA(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	w.lwa.Clock().Advance(6 * time.Minute) // codes live for five
	a := b.get(back).want(t, http.StatusBadRequest).has(t, "did not complete", "Nothing was changed")
	again := button(t, a, "Login with Amazon again")
	b.get(back).want(t, http.StatusBadRequest).has(t, "did not complete")
	if w.exchanges() != 1 || w.registration().Version != 0 {
		t.Errorf("%d codes were sent, registration %+v", w.exchanges(), w.registration())
	}
	page := b.get(again).want(t, http.StatusFound).header.Get("Location")
	b.get(b.back(page, lwatest.Visitor{})).want(t, http.StatusOK)
}

// Whatever an exchange without a clear answer did, its code is never sent again.
func TestCallbackExchangeUnknown(t *testing.T) {
	for _, kind := range []lwatest.Kind{
		lwatest.DropBefore, lwatest.DropAfter, lwatest.Truncated, lwatest.Throttled,
		lwatest.ServerTrouble, lwatest.Unavailable, lwatest.Empty, lwatest.HTML, lwatest.Hang,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fail(lwatest.RouteToken, kind, 1)
				b := w.browser()
				back := b.back(b.login(device), lwatest.Visitor{})
				began := time.Now()
				a := b.get(back).want(t, http.StatusBadGateway).has(t, "Amazon did not answer")
				if took := time.Since(began); took > 25*time.Second {
					t.Errorf("it took %v, longer than API Gateway waits", took)
				}
				button(t, a, "Login with Amazon again")
				b.get(back).want(t, http.StatusBadRequest).has(t, "Amazon did not answer")
				if w.exchanges() != 1 || w.registration().Version != 0 {
					t.Errorf("%d codes were sent, registration %+v", w.exchanges(), w.registration())
				}
			})
		})
	}
}

// Two tabs with one address: one exchange, and both hear how it came out.
func TestCallbackTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(2 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		b := w.browser()
		back := b.back(b.login(device), lwatest.Visitor{})
		answers := make([]*answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = b.get(back) })
		}
		wg.Wait()
		for _, a := range answers {
			a.want(t, http.StatusOK).has(t, "Your device is connected")
		}
		if w.exchanges() != 1 {
			t.Errorf("%d codes were sent, want 1", w.exchanges())
		}
	})
}

// A function that died in the middle leaves a login that is used, and nothing more:
// the customer hears so after a moment, and can sign in again.
func TestCallbackCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		page := b.login(device)
		back := b.back(page, lwatest.Visitor{})
		edit(t, w.store, loginOf(t, page), func(l *store.Login) { l.UsedAt = start })
		a := b.get(back).want(t, http.StatusBadRequest).has(t, "not finished")
		button(t, a, "Login with Amazon again")
		w.lwa.Clock().Advance(time.Minute) // nobody works on it any more: no use in waiting
		began := time.Now()
		b.get(back).want(t, http.StatusBadRequest)
		if time.Since(began) > 0 {
			t.Error("it waited for a sign-in of a minute ago")
		}
		if w.exchanges() != 0 {
			t.Errorf("%d codes were sent, want none", w.exchanges())
		}
	})
}

// A crash after the registration was stored: the login has no outcome, but made it.
func TestCallbackCutOffAfterStoring(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.login(device)
	back := b.back(page, lwatest.Visitor{})
	b.get(back).want(t, http.StatusOK)
	edit(t, w.store, loginOf(t, page), func(l *store.Login) { l.Outcome = "" })
	b.get(back).want(t, http.StatusOK).has(t, "Your device is connected")
}

// A look at the address alone must not use the code up.
func TestCallbackHead(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	if a := b.open(http.MethodHead, back); a.body != "" || a.status >= 500 {
		t.Errorf("HEAD = %d %q", a.status, a.body)
	}
	if w.exchanges() != 0 {
		t.Error("HEAD sent the code")
	}
	b.get(back).want(t, http.StatusOK)
	if a := b.open(http.MethodHead, back).want(t, http.StatusOK); a.body != "" {
		t.Errorf("HEAD has a body: %q", a.body)
	}
}

func TestCallbackWithoutSlots(t *testing.T) {
	w := newWorld(t)
	w.drs.err = fmt.Errorf("DRS sleeps")
	w.told.err = fmt.Errorf("the device sleeps")
	a := w.browser().signIn(device, lwatest.Visitor{}).want(t, http.StatusOK).has(t, "Your device is connected")
	inspect(t, a)
	if reg := w.registration(); reg.Status != store.Active || len(reg.Slots) != 0 {
		t.Errorf("registration = %+v, want an active one without slots", reg)
	}
}

// What DRS calls a slot is text like any other.
func TestCallbackOddSlots(t *testing.T) {
	w := newWorld(t)
	w.drs.list = []drs.Slot{{ID: `<script>alert("x")</script>`}, {ID: ""}, {ID: "a\x00"}, {ID: strings.Repeat("x", 129)}, {ID: "\xff"}}
	for i := range 200 {
		w.drs.list = append(w.drs.list, drs.Slot{ID: fmt.Sprint("slot", i), Subscribed: true})
	}
	a := w.browser().signIn(device, lwatest.Visitor{}).want(t, http.StatusOK)
	if n := len(find(inspect(t, a), "li", "")); n != 100 { // inspect fails on a script
		t.Errorf("the page lists %d slots, want the first 100 good ones", n)
	}
}

// The customer closes the page while Amazon is being asked.
func TestCallbackBrowserGone(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	ctx, cancel := context.WithCancel(context.Background())
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Login); ok && op == "put" {
			cancel()
		}
		return nil
	}
	r := mustRequest(t, back).WithContext(ctx)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w.do(r)
	if reg := w.registration(); reg.Status != store.Active {
		t.Errorf("registration = %+v, want an active one", reg)
	}
}

// A client secret that was rotated is read again, and the code is not lost by it.
func TestCallbackSecretRotated(t *testing.T) {
	w := newWorld(t)
	sw := w.lwa.Switches()
	sw.SecretOverlap = 0
	if err := w.lwa.SetSwitches(sw); err != nil {
		t.Fatal(err)
	}
	fresh, err := w.lwa.RotateSecret(w.client.ClientID, lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	w.secret.list = append(w.secret.list, credentials.LWA{ClientID: w.client.ClientID, ClientSecret: fresh})
	w.browser().signIn(device, lwatest.Visitor{}).want(t, http.StatusOK)
	if w.secret.reloads != 1 || w.exchanges() != 2 {
		t.Errorf("%d reloads and %d exchanges, want 1 and 2", w.secret.reloads, w.exchanges())
	}
	w.wantCounts(metrics.Sample{Name: "SignIn", Dimensions: map[string]string{"outcome": "paired"}, Value: 1})

	w = newWorld(t) // no version of the secret is right: each is tried once
	w.secret.list[0].ClientSecret = lwa.NewSecret("wrong")
	var logged bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError})))
	defer slog.SetDefault(old)
	w.browser().signIn(device, lwatest.Visitor{}).want(t, http.StatusBadRequest)
	if w.secret.reloads != 1 || w.exchanges() != 1 {
		t.Errorf("%d reloads and %d exchanges, want 1 each", w.secret.reloads, w.exchanges())
	}
	if !strings.Contains(logged.String(), "copy both again from the Web Settings") {
		t.Errorf("the log doesn't say what to change: %s", &logged)
	}
	w.wantCounts(
		metrics.Sample{Name: "SecretsTrouble", Dimensions: map[string]string{"cause": "credentials"}, Value: 1},
		metrics.Sample{Name: "SignIn", Dimensions: map[string]string{"outcome": "refused"}, Value: 1},
	)
}

// A store that is out of reach before the code is sent keeps the login good; one that
// fails after it is tried again.
func TestCallbackStoreInTrouble(t *testing.T) { synctest.Test(t, callbackStoreInTrouble) }

func callbackStoreInTrouble(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	w.store.before = func(op string, _ store.Record) error {
		if op == "put" {
			return store.ErrUnavailable
		}
		return nil
	}
	inspect(t, b.get(back).want(t, http.StatusServiceUnavailable))
	if w.exchanges() != 0 {
		t.Fatal("the code was sent before the login was marked as used")
	}
	failures := 2
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Registration); ok && op == "put" && failures > 0 {
			failures--
			return store.ErrUnavailable
		}
		return nil
	}
	b.get(back).want(t, http.StatusOK)

	page := b.login(device)
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Registration); ok && op == "put" {
			return store.ErrUnavailable
		}
		return nil
	}
	a := b.get(b.back(page, lwatest.Visitor{})).want(t, http.StatusServiceUnavailable).has(t, "sign in again")
	button(t, a, "Login with Amazon again")
}

func mustRequest(t testing.TB, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = r.URL.RequestURI()
	return r
}
