package callback_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// keyOf is the device key of a 201.
func (a *answer) keyOf(t testing.TB) string {
	t.Helper()
	var r struct {
		Key string `json:"device_key"`
	}
	a.want(t, http.StatusCreated).json(t, &r)
	return r.Key
}

// An app that got no answer sends the same again. The code is used up, and nothing is lost.
func TestRegistrationsSentAgain(t *testing.T) {
	w := newWorld(t)
	code := w.appCode(w.client.ClientID, customerOne)
	lost := w.register(code).keyOf(t)
	again := w.register(code).keyOf(t)
	if w.knows(lost) || !w.knows(again) || w.exchanges() != 1 {
		t.Errorf("the lost key is known: %t, the new one: %t, after %d exchanges; want the new one, after 1", w.knows(lost), w.knows(again), w.exchanges())
	}
	w.register(code, "code_verifier", "x"+verifier[1:]).problem(t, http.StatusBadRequest, "invalid_grant") // another request
	if !w.knows(again) {
		t.Error("whoever has the code alone took the key away")
	}
	w.lwa.Clock().Advance(store.LoginTTL)
	w.register(code).problem(t, http.StatusBadRequest, "invalid_grant")
	if !w.knows(again) {
		t.Error("a request that came too late took the key away")
	}
}

// The app gave up waiting: its second request waits for the first.
func TestRegistrationsSentAgainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code := w.appCode(w.client.ClientID, customerOne)
		if err := w.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(4 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		var answers [2]*answer
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() { answers[i] = w.register(code) })
			synctest.Wait()
		}
		both.Wait()
		if first, second := answers[0].keyOf(t), answers[1].keyOf(t); w.knows(first) || !w.knows(second) || w.exchanges() != 1 {
			t.Errorf("after %d exchanges, want 1, and the key of the second request", w.exchanges())
		}
	})
}

// One that takes longer is still under way, and can be asked after.
func TestRegistrationsSentAgainTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code := w.appCode(w.client.ClientID, customerOne)
		if err := w.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(9 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() { w.register(code) })
		synctest.Wait()
		a := w.register(code)
		a.problem(t, http.StatusServiceUnavailable, "unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Error("503 has no Retry-After")
		}
		both.Wait()
		if !w.knows(w.register(code).keyOf(t)) || w.exchanges() != 1 {
			t.Errorf("after %d exchanges, want 1, and a key that is known", w.exchanges())
		}
	})
}

// A code that is used up isn't sent again: what came of it is said again.
func TestRegistrationsSentAgainInVain(t *testing.T) {
	w := newWorld(t)
	w.register(w.appCode(w.client.ClientID, customerOne)).want(t, http.StatusCreated)
	foreign := w.appCode(w.client.ClientID, customerTwo)
	for range 2 {
		w.register(foreign).problem(t, http.StatusConflict, "taken")
	}
	if w.exchanges() != 2 {
		t.Errorf("%d exchanges, want 2", w.exchanges())
	}
}

// One that may be used up is sent again for an app that asks: it costs nobody anything.
func TestRegistrationsSentAgainAfterNoAnswer(t *testing.T) {
	w := newWorld(t)
	for kind, status := range map[lwatest.Kind]int{lwatest.Throttled: http.StatusCreated, lwatest.DropAfter: http.StatusBadRequest} {
		code := w.appCode(w.client.ClientID, customerOne)
		w.fail(lwatest.RouteToken, kind, 1)
		w.register(code).problem(t, http.StatusBadGateway, "exchange_unknown")
		w.register(code).want(t, status)
	}
}

// Of a request that died nobody says how it came out: its code may be good still.
func TestRegistrationsSentAgainAfterADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code := w.appCode(w.client.ClientID, customerOne)
		w.keys.err = errors.New("no key ring")
		w.store.before = func(op string, rec store.Record) error {
			if l, ok := rec.(*store.Login); ok && op == "put" && l.Outcome != "" {
				return store.ErrUnavailable
			}
			return nil
		}
		w.register(code).problem(t, http.StatusServiceUnavailable, "unavailable")
		w.keys.err, w.store.before = nil, nil
		w.register(code).problem(t, http.StatusServiceUnavailable, "unavailable") // it may be under way
		w.lwa.Clock().Advance(time.Minute)
		w.register(code).problem(t, http.StatusBadGateway, "exchange_unknown")
		w.register(code).want(t, http.StatusCreated)
	})
}

// A later registration stays, and so does the end of one.
func TestRegistrationsSentAgainAfterAnother(t *testing.T) {
	w := newWorld(t)
	first := w.appCode(w.client.ClientID, customerOne)
	w.register(first).want(t, http.StatusCreated)
	second := w.appCode(w.client.ClientID, customerOne)
	key := w.register(second).keyOf(t)
	w.register(first).problem(t, http.StatusBadRequest, "invalid_grant")
	if !w.knows(key) || w.exchanges() != 2 {
		t.Errorf("after %d exchanges, want 2, and the key of the later registration", w.exchanges())
	}
	edit(t, w.store, &store.Registration{Thing: name}, func(r *store.Registration) { r.Status = store.Deregistered })
	w.register(second).problem(t, http.StatusBadRequest, "invalid_grant")
	if w.registration().Status != store.Deregistered {
		t.Error("the device is registered again")
	}
}
