package callback_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestPairing(t *testing.T) {
	w := newWorld(t)
	s := w.startPairing("")
	if !strings.HasPrefix(s.URL, origin+"/") || !strings.Contains(s.URL, s.ID) || strings.Contains(s.URL, s.DeviceKey) ||
		!s.ExpiresAt.Equal(start.Add(store.PairingTTL)) || s.Interval < 2 || s.Interval > 5 {
		t.Errorf("pairing = %+v", s)
	}
	if strings.Contains(w.store.text(), s.DeviceKey) {
		t.Error("the key is stored, not its hash")
	}
	if got := w.poll(s); got != "waiting" {
		t.Errorf("status = %s, want waiting", got)
	}
	if w.knows(s.DeviceKey) {
		t.Error("the key is awake before the customer has finished")
	}
	b := w.browser()
	a := b.get(button(t, b.get(s.URL).want(t, http.StatusOK), "Login with Amazon")).want(t, http.StatusFound)
	amazon := a.header.Get("Location")

	declined := b.get("/callback?error=access_denied&state="+query(t, amazon, "state")).want(t, http.StatusBadRequest)
	if got := w.poll(s); got != "waiting" {
		t.Errorf("status = %s after a no, want waiting", got)
	}
	again := b.get(button(t, declined, "Login with Amazon again")).want(t, http.StatusFound).header.Get("Location")
	out := b.get(b.back(again, lwatest.Visitor{})).want(t, http.StatusOK)
	if strings.Contains(out.body, s.DeviceKey) {
		t.Error("the page shows the key")
	}
	if got := w.poll(s); got != "paired" || !w.knows(s.DeviceKey) {
		t.Errorf("status = %s, key good: %v, want paired", got, w.knows(s.DeviceKey))
	}
	// The link is used up: neither the page nor the login nor one under way goes on.
	inspect(t, b.get(s.URL).want(t, http.StatusBadRequest).has(t, "has been used"))
	b.get("/login?pairing="+s.ID).want(t, http.StatusBadRequest)
	b.get(b.back(amazon, lwatest.Visitor{Customer: customerTwo})).want(t, http.StatusBadRequest).has(t, "has been used")
	if w.exchanges() != 1 || w.registration().CustomerID != customerOne {
		t.Errorf("%d codes were sent, registration of %s", w.exchanges(), w.registration().CustomerID)
	}
	// The device that comes back later still learns it.
	w.lwa.Clock().Advance(store.PairingTTL)
	if got := w.poll(s); got != "paired" {
		t.Errorf("status = %s after the record is gone, want paired", got)
	}
}

// What a link has done it does not do again, whatever came after.
func TestPairingLinkWorksOnce(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{w.startPairing("").ID, w.overMQTT()} {
		b := w.browser()
		b.signIn("pairing="+id, lwatest.Visitor{}).want(t, http.StatusOK)
		w.pair(customerOne)
		b.get("/login?pairing="+id).want(t, http.StatusBadRequest).has(t, "has been used")
	}
}

func TestPairingRefused(t *testing.T) {
	w := newWorld(t)
	w.pair(customerOne)
	s := w.startPairing("")
	b := w.browser()
	a := b.signIn("pairing="+s.ID, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusConflict)
	if links := find(inspect(t, a.has(t, "Start the connection on the device again")), "a", ""); len(links) != 0 {
		t.Error("the page has a link to try again, which can't work")
	}
	if got := w.poll(s); got != "refused" {
		t.Errorf("status = %s, want refused", got)
	}
	// The device may have thrown the key away: the link must not wake it up any more.
	inspect(t, b.get(s.URL).want(t, http.StatusBadRequest).has(t, "another Amazon account"))
	b.get("/login?pairing="+s.ID).want(t, http.StatusBadRequest)
}

func TestPairingExpires(t *testing.T) {
	w := newWorld(t)
	s := w.startPairing("")
	b := w.browser()
	w.lwa.Clock().Advance(store.PairingTTL - 1e9)
	back := b.back(b.login("pairing="+s.ID), lwatest.Visitor{})
	w.lwa.Clock().Advance(1e9)
	if got := w.poll(s); got != "expired" {
		t.Errorf("status = %s, want expired", got)
	}
	inspect(t, b.get(s.URL).want(t, http.StatusBadRequest).has(t, "expired"))
	b.get(back).want(t, http.StatusBadRequest).has(t, "expired")
	if w.exchanges() != 0 {
		t.Error("a code was sent for a pairing that has expired")
	}
}

// A wrong key and an unknown pairing can't be told apart.
func TestPairingWrongKey(t *testing.T) {
	w := newWorld(t)
	s, other := w.startPairing(""), w.startPairing("")
	want := w.ask(s.ID, other.DeviceKey)
	want.problem(t, http.StatusUnauthorized, "unauthorized")
	if want.header.Get("WWW-Authenticate") == "" {
		t.Error("401 has no WWW-Authenticate")
	}
	for what, a := range map[string]*answer{
		"unknown pairing": w.ask(strings.Repeat("0", 32), s.DeviceKey),
		"no key":          w.ask(s.ID, ""),
		"malformed key":   w.ask(s.ID, "x"),
		"malformed ID":    w.ask("x", s.DeviceKey),
		"long key":        w.ask(s.ID, strings.Repeat("x", 5000)),
		"key of nobody":   w.ask(s.ID, devicekey.New(name)),
	} {
		if a.status != want.status || a.body != want.body {
			t.Errorf("%s: %d %s, want the same as a wrong key: %s", what, a.status, a.body, want.body)
		}
	}
}

func TestStartPairingWithKey(t *testing.T) {
	w := newWorld(t)
	key := w.keyed()
	other := devicekey.New("OTHER::1") // good, for another device
	if err := w.store.Put(t.Context(), &store.Registration{Thing: "OTHER::1", Status: store.Active, KeyHash: devicekey.Hash(other)}); err != nil {
		t.Fatal(err)
	}
	body := `{"device_model":"ACME-VAC-1","serial":"SN+1"%s}`
	for what, a := range map[string]*answer{
		"foreign":       w.post("/v1/pairings", devicekey.New(name), fmt.Sprintf(body, "")),
		"other device":  w.post("/v1/pairings", other, fmt.Sprintf(body, "")),
		"malformed":     w.post("/v1/pairings", "x", fmt.Sprintf(body, "")),
		"body":          w.post("/v1/pairings", "", fmt.Sprintf(body, `,"device_key":"x"`)),
		"foreign, body": w.post("/v1/pairings", "", fmt.Sprintf(body, `,"device_key":"`+devicekey.New(name)+`"`)),
		"not Bearer":    w.basic("/v1/pairings", fmt.Sprintf(body, "")),
	} {
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s key: status = %d, want 401", what, a.status)
		}
	}
	w.post("/v1/pairings", w.startPairing("").DeviceKey, fmt.Sprintf(body, "")).problem(t, http.StatusUnauthorized, "not_paired_yet")
	w.post("/v1/pairings", key, fmt.Sprintf(body, `,"device_key":"x"`)).problem(t, http.StatusBadRequest, "bad_field")
	w.post("/v1/pairings", "", fmt.Sprintf(body, `,"device_key":"`+key+`"`)).want(t, http.StatusCreated)
	w.post("/v1/pairings", key, fmt.Sprintf(body, `,"device_key":"`+key+`"`)).want(t, http.StatusCreated)
	w.post("/v1/pairings", key, fmt.Sprintf(body, `,"device_key":null`)).want(t, http.StatusCreated)
}

func (w *world) basic(path, body string) *answer {
	r := httptest.NewRequest(http.MethodPost, origin+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("user", "password")
	return w.do(r)
}

// The key was the present one when the pairing began, but the device has gone to
// somebody else since: it can't be taken back with it.
func TestPairingWithKeyOfFormerOwner(t *testing.T) {
	w := newWorld(t)
	s := w.startPairing(w.keyed())
	w.lwa.Clock().Advance(60e9)
	edit(t, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
		r.End(store.Deregistered, store.ReasonDeregistered, w.lwa.Clock().Now())
	})
	w.pair(customerTwo)
	w.browser().signIn("pairing="+s.ID, lwatest.Visitor{Customer: customerOne}).want(t, http.StatusConflict)
	if got := w.registration().CustomerID; got != customerTwo {
		t.Errorf("customer = %s, want still the second customer", got)
	}
}

// A function that died between the two writes of a pairing: the registration is
// stored, the pairing is not marked. The device is told, and the link is used up.
func TestPairingCutOffBeforeMark(t *testing.T) {
	for _, mqtt := range []bool{false, true} {
		w := newWorld(t)
		s := w.startPairing("")
		id := s.ID
		if mqtt {
			id = w.overMQTT()
		}
		w.store.before = func(op string, rec store.Record) error {
			if _, ok := rec.(*store.Pairing); ok && op == "put" {
				return store.ErrUnavailable
			}
			return nil
		}
		b := w.browser()
		b.signIn("pairing="+id, lwatest.Visitor{}).want(t, http.StatusOK)
		if !mqtt {
			if got := w.poll(s); got != "paired" || !w.knows(s.DeviceKey) {
				t.Errorf("status = %s, want paired", got)
			}
		}
		b.get("/login?pairing="+id).want(t, http.StatusBadRequest).has(t, "has been used")
	}
}

func TestPairingStoreInTrouble(t *testing.T) {
	w := newWorld(t)
	s := w.startPairing("")
	w.store.before = func(string, store.Record) error { return fmt.Errorf("reading: %w", store.ErrUnavailable) }
	w.ask(s.ID, s.DeviceKey).problem(t, http.StatusServiceUnavailable, "unavailable")
	w.post("/v1/pairings", "", `{"device_model":"A","serial":"1"}`).problem(t, http.StatusServiceUnavailable, "unavailable")
	inspect(t, w.browser().get(s.URL).want(t, http.StatusServiceUnavailable))
	w.store.before = func(string, store.Record) error { return fmt.Errorf("a fault of ours") }
	w.ask(s.ID, s.DeviceKey).problem(t, http.StatusInternalServerError, "internal")
	inspect(t, w.browser().get(s.URL).want(t, http.StatusInternalServerError))
}
