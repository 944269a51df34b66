package callback_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// keyed pairs the device for the first customer with a key, and returns that.
func (w *world) keyed() string {
	w.Helper()
	var r struct {
		DeviceKey string `json:"device_key"`
	}
	w.register(w.appCode(w.client.ClientID, customerOne)).want(w, http.StatusCreated).json(w, &r)
	w.lwa.Clock().Advance(time.Minute)
	return r.DeviceKey
}

// knows reports whether a key is that of the device.
func (w *world) knows(key string) bool {
	w.Helper()
	_, err := pairing.Authenticate(context.Background(), w.store, key)
	return err == nil
}

// Who may take over a device, and what becomes of its key, for each way to sign in.
func TestOwnership(t *testing.T) {
	before := map[string]func(w *world, key string){
		"active": func(*world, string) {},
		"grant ended": func(w *world, _ string) {
			edit(w, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
				r.End(store.GrantEnded, store.ReasonConsentWithdrawn, w.lwa.Clock().Now())
			})
		},
		"deregistered": func(w *world, _ string) {
			edit(w, w.store, &store.Registration{Thing: name}, func(r *store.Registration) {
				r.End(store.Deregistered, store.ReasonDeregistered, w.lwa.Clock().Now())
			})
		},
	}
	type way func(w *world, key, customer string) (status int, newKey string)
	ways := map[string]way{
		"browser": func(w *world, _, customer string) (int, string) {
			return w.browser().signIn(device, lwatest.Visitor{Customer: customer}).status, ""
		},
		"site": func(w *world, _, customer string) (int, string) {
			return w.site(customer).status, ""
		},
		"app": func(w *world, _, customer string) (int, string) {
			a := w.register(w.appCode(w.client.ClientID, customer))
			var r struct {
				DeviceKey string `json:"device_key"`
			}
			a.json(w, &r)
			return a.status, r.DeviceKey
		},
		"pairing": func(w *world, _, customer string) (int, string) {
			s := w.startPairing("")
			return w.browser().signIn("pairing="+s.ID, lwatest.Visitor{Customer: customer}).status, s.DeviceKey
		},
		"pairing with key": func(w *world, key, customer string) (int, string) {
			s := w.startPairing(key)
			return w.browser().signIn("pairing="+s.ID, lwatest.Visitor{Customer: customer}).status, s.DeviceKey
		},
		"pairing over MQTT": func(w *world, _, customer string) (int, string) {
			return w.browser().signIn("pairing="+w.overMQTT(), lwatest.Visitor{Customer: customer}).status, ""
		},
	}
	for _, tc := range []struct {
		way, state, customer string
		moves                bool
		keepsKey             bool
	}{
		{"browser", "active", customerOne, true, true},
		{"browser", "active", customerTwo, false, true},
		{"browser", "grant ended", customerOne, true, true},
		{"browser", "grant ended", customerTwo, true, false},
		{"browser", "deregistered", customerOne, true, true},
		{"browser", "deregistered", customerTwo, true, false},
		{"site", "active", customerOne, true, true},
		{"site", "active", customerTwo, false, true},
		{"site", "deregistered", customerTwo, true, false},
		{"app", "active", customerOne, true, false},
		{"app", "active", customerTwo, false, true},
		{"app", "deregistered", customerTwo, true, false},
		{"pairing", "active", customerOne, true, false},
		{"pairing", "active", customerTwo, false, true},
		{"pairing", "deregistered", customerTwo, true, false},
		{"pairing with key", "active", customerOne, true, false},
		{"pairing with key", "active", customerTwo, true, false},
		{"pairing with key", "deregistered", customerTwo, true, false},
		{"pairing over MQTT", "active", customerOne, true, true},
		{"pairing over MQTT", "active", customerTwo, true, false},
		{"pairing over MQTT", "deregistered", customerTwo, true, false},
	} {
		t.Run(tc.way+"/"+tc.state+"/"+tc.customer, func(t *testing.T) {
			w := newWorld(t)
			key := w.keyed()
			before[tc.state](w, key)
			old := w.registration()
			status, newKey := ways[tc.way](w, key, tc.customer)
			reg := w.registration()
			if !tc.moves {
				if status != http.StatusConflict || reg.CustomerID != customerOne || reg.Grant != old.Grant || reg.Version != old.Version {
					t.Errorf("status = %d, registration = %+v, want 409 and no change", status, reg)
				}
			} else if status != http.StatusOK && status != http.StatusCreated || reg.CustomerID != tc.customer || reg.Status != store.Active {
				t.Errorf("status = %d, registration = %+v, want that of %s", status, reg, tc.customer)
			}
			if w.knows(key) != tc.keepsKey {
				t.Errorf("the old key is good: %v, want %v", !tc.keepsKey, tc.keepsKey)
			}
			if newKey != "" && w.knows(newKey) != tc.moves {
				t.Errorf("the new key is good: %v, want %v", !tc.moves, tc.moves)
			}
		})
	}
}

// overMQTT starts a pairing as the replenish function does, and returns its ID.
func (w *world) overMQTT() string {
	w.Helper()
	s := pairing.Starter{Store: w.store, RedirectURL: w.config.RedirectURL, Now: w.config.Now}
	p, err := s.StartOverMQTT(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return query(w, p.URL, "pairing")
}

func TestTakenPage(t *testing.T) {
	w := newWorld(t)
	w.pair(customerOne)
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{Customer: customerTwo})
	a := b.get(back).want(t, http.StatusConflict).has(t, "belongs to another Amazon account", "Nothing was changed")
	button(t, a, "Login with Amazon again")
	b.get(back).want(t, http.StatusBadRequest).has(t, "belongs to another Amazon account")
	w.register(w.appCode(w.client.ClientID, customerTwo)).problem(t, http.StatusConflict, "taken")
}

// While tokeninfo fails it is asked three times. Then a free device is registered
// without customer, and a taken one is left alone, whoever asks.
func TestTokenInfoFails(t *testing.T) {
	for _, kind := range []lwatest.Kind{lwatest.DropBefore, lwatest.ServerTrouble, lwatest.Truncated, lwatest.Hang, lwatest.HTML} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fail(lwatest.RouteTokenInfo, kind, 2)
				w.pair(customerOne)
				if reg := w.registration(); reg.CustomerID != customerOne {
					t.Errorf("customer = %q, want who the third try named", reg.CustomerID)
				}

				w = newWorld(t)
				w.fail(lwatest.RouteTokenInfo, kind, 3)
				began := time.Now()
				w.pair(customerOne)
				if took := time.Since(began); took > 25*time.Second {
					t.Errorf("it took %v, longer than API Gateway waits", took)
				}
				if reg := w.registration(); reg.CustomerID != "" || reg.Status != store.Active {
					t.Errorf("registration = %+v, want an active one of nobody", reg)
				}
				if n := w.lwa.Calls(lwatest.RouteTokenInfo, ""); n != 3 {
					t.Errorf("tokeninfo was asked %d times, want 3", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		key := w.keyed()
		old := w.registration()
		for query, want := range map[string]string{
			device: "", "pairing=" + w.startPairing("").ID: "", "pairing=" + w.startPairing(key).ID: "", "pairing=" + w.overMQTT(): "",
		} {
			w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
			w.browser().signIn(query, lwatest.Visitor{}).want(t, http.StatusConflict).has(t, "could not check whose device", want)
		}
		w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
		w.register(w.appCode(w.client.ClientID, customerOne)).problem(t, http.StatusConflict, "taken")
		if reg := w.registration(); reg.Version != old.Version || !w.knows(key) {
			t.Errorf("registration = %+v, want no change", reg)
		}
	})
}

// It is Amazon's trouble, not the customer's: the link of the pairing still works.
func TestTokenInfoFailsAtPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.startPairing(w.keyed())
		w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
		b := w.browser()
		a := b.signIn("pairing="+s.ID, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusConflict)
		if got := w.poll(s); got != "waiting" {
			t.Errorf("pairing is %s, want waiting", got)
		}
		page := b.get(button(t, a, "Login with Amazon again")).want(t, http.StatusFound).header.Get("Location")
		b.get(b.back(page, lwatest.Visitor{Customer: customerTwo})).want(t, http.StatusOK)
		if got := w.poll(s); got != "paired" {
			t.Errorf("pairing is %s, want paired", got)
		}
	})
}

// A device that was registered while LWA didn't say whose it is asks again by its own
// token, so that its customer can still sign in, and no other.
func TestCustomerLearnedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
		w.pair(customerOne)
		w.browser().signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusConflict)
		w.pair(customerOne)
		if reg := w.registration(); reg.CustomerID != customerOne {
			t.Errorf("customer = %q, want the first customer", reg.CustomerID)
		}

		w = newWorld(t)
		w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
		w.pair(customerOne)
		if _, err := w.lwa.Revoke(lwatest.Match{Customer: customerOne}); err != nil {
			t.Fatal(err)
		}
		w.lwa.Clock().Advance(2 * time.Hour)
		w.pair(customerTwo) // the grant turns out to have ended: the device is free
	})
}

// A token that was issued to another client is nobody's sign-in with us.
func TestForeignToken(t *testing.T) {
	w := newWorld(t)
	w.config.HTTPClient = &http.Client{Transport: foreign{w.lwa.Transport()}}
	w.serve()
	w.browser().signIn(device, lwatest.Visitor{}).want(t, http.StatusBadGateway)
	w.register(w.appCode(w.client.ClientID, customerOne)).problem(t, http.StatusBadGateway, "exchange_unknown")
	if w.registration().Version != 0 {
		t.Error("a registration is stored")
	}
}

// foreign has tokeninfo name another client.
type foreign struct{ http.RoundTripper }

func (f foreign) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Path == "/auth/o2/tokeninfo" {
		_ = res.Body.Close()
		res.Body = http.NoBody
		res = fakeResponse(r, `{"aud":"amzn1.application-oa2-client.foreign","user_id":"amzn1.account.X","exp":3000,"iss":"https://www.amazon.com","app_id":"x","iat":1}`)
	}
	return res, err
}

// Two customers finish at once: whoever is stored first has the device, the other is
// told, and nothing is mixed.
func TestRace(t *testing.T) {
	for _, way := range []string{"browser", "pairings", "one pairing", "one pairing with key"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				queries := []string{device, device}
				var pairings []*started
				switch way {
				case "pairings":
					pairings = []*started{w.startPairing(""), w.startPairing("")}
					queries = []string{"pairing=" + pairings[0].ID, "pairing=" + pairings[1].ID}
				case "one pairing", "one pairing with key":
					key := ""
					if way == "one pairing with key" {
						key = w.keyed() // which may move the device, but once
					}
					pairings = []*started{w.startPairing(key)}
					queries = []string{"pairing=" + pairings[0].ID, "pairing=" + pairings[0].ID}
				}
				meet(w)
				statuses := make([]int, 2)
				var wg sync.WaitGroup
				for i, customer := range []string{customerOne, customerTwo} {
					b := w.browser()
					back := b.back(b.login(queries[i]), lwatest.Visitor{Customer: customer})
					wg.Go(func() { statuses[i] = b.get(back).status })
				}
				wg.Wait()
				winner := 0
				if w.registration().CustomerID == customerTwo {
					winner = 1
				}
				if statuses[winner] != http.StatusOK || statuses[1-winner] != http.StatusConflict {
					t.Errorf("statuses = %v, want 200 for customer %d and 409 for the other", statuses, winner)
				}
				for i, s := range pairings {
					want := "refused"
					if i == winner || len(pairings) == 1 {
						want = "paired"
					}
					if got := w.poll(s); got != want || w.knows(s.DeviceKey) != (want == "paired") {
						t.Errorf("pairing %d is %s (key good: %v), want %s", i, got, w.knows(s.DeviceKey), want)
					}
				}
			})
		})
	}
}

// The answer to a write gets lost: what it wrote is recognised as one's own.
func TestClaimAnswerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail(lwatest.RouteTokenInfo, lwatest.DropBefore, 3)
		lost := false
		w.store.after = func(rec store.Record) error {
			if _, ok := rec.(*store.Registration); ok && !lost {
				lost = true
				return store.ErrUnavailable
			}
			return nil
		}
		w.pair(customerOne)
		if !lost {
			t.Error("no answer was lost")
		}
	})
}

// meet has the first two writes of the registration wait for each other, so that both
// have read the same one.
func meet(w *world) {
	var mu sync.Mutex
	waiting := 0
	both := make(chan struct{})
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Registration); !ok || op != "put" {
			return nil
		}
		mu.Lock()
		waiting++
		n := waiting
		mu.Unlock()
		switch n {
		case 1:
			<-both
		case 2:
			close(both)
		}
		return nil
	}
}
