package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

func TestOneOutageIsNoticedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const devices = 200
		name := func(i int) string { return fmt.Sprintf("ACME-VAC-1::SN%04d", i) }
		for i := range devices {
			w.pair(name(i), -time.Minute)
		}
		w.lwa.answer = func(int, url.Values) reply { return reply{status: 503} }
		k := w.keeper()
		outages := 0
		for i := range devices {
			_, err := k.AccessToken(t.Context(), w.read(name(i)))
			if caught[*tokens.UnavailableError](t, err).Outage {
				outages++
			}
		}
		if n := w.lwa.count(); n != 3 || outages != devices-3 {
			t.Fatalf("%d calls to LWA, %d devices told of an outage; want 3, and the rest of %d", n, outages, devices)
		}

		// Its time over, one tries for all, the others wait for how that goes.
		for _, healed := range []bool{false, true} {
			w.lwa.answer = func(n int, _ url.Values) reply {
				if healed {
					return token(n)
				}
				return reply{status: 503, delay: time.Second}
			}
			time.Sleep(time.Minute)
			before := w.lwa.count()
			var wg sync.WaitGroup
			for i := 10; i < 60; i++ {
				wg.Go(func() {
					_, err := k.AccessToken(t.Context(), w.read(name(i)))
					if healed != (err == nil) {
						t.Errorf("AccessToken() = %v when LWA is healed: %v", err, healed)
					}
				})
			}
			wg.Wait()
			want := 1
			if healed {
				want = 50
			}
			if n := w.lwa.count() - before; n != want {
				t.Errorf("%d calls to LWA when it is healed: %v, want %d", n, healed, want)
			}
		}
	})
}

// Calls that were under way when an outage was noticed are not news.
func TestOutageOfManyAtOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lwa.answer = func(int, url.Values) reply { return reply{status: 503, delay: time.Second} }
		k := w.keeper(func(k *tokens.Keeper) { k.Rand = func() float64 { return 0.999999 } })
		var wg sync.WaitGroup
		for i := range 10 {
			r := w.pair(fmt.Sprint(device, i), -time.Minute)
			wg.Go(func() {
				_, err := k.AccessToken(t.Context(), r)
				wantError[*tokens.UnavailableError](t, err)
			})
		}
		wg.Wait()
		_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		if u := caught[*tokens.UnavailableError](t, err); !u.Outage || u.RetryAfter > 5*time.Second {
			t.Errorf("error = %+v, want an outage of the first 5 s", u)
		}
	})
}

// The one who was to try for all finds that its own client is refused: another tries.
func TestProbeIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		app := func(r *store.Registration) { r.ClientID, r.PublicClient = "amzn1.app", true }
		n := 0
		device := func(change ...func(*store.Registration)) *store.Registration {
			n++
			return w.pair(fmt.Sprint("ACME-VAC-1::", n), -time.Minute, change...)
		}
		down := false
		w.lwa.answer = func(n int, form url.Values) reply {
			switch {
			case down:
				return reply{status: 503}
			case form.Has("client_secret"):
				return token(n)
			}
			return refusal(401, "invalid_client")
		}
		k := w.keeper(func(k *tokens.Keeper) { k.Rand = func() float64 { return 0.999999 } })
		for i := range 2 { // the second time it is shut for 10 s
			time.Sleep(time.Duration(i) * 5 * time.Second)
			_, err := k.AccessToken(t.Context(), device(app))
			wantError[*tokens.CredentialsError](t, err)
		}
		down = true
		for range 3 {
			_, err := k.AccessToken(t.Context(), device())
			wantError[*tokens.UnavailableError](t, err)
		}
		down = false
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := k.AccessToken(ctx, device(app))
		wantError[*tokens.CredentialsError](t, err)
		if _, err := k.AccessToken(ctx, device()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// What LWA asks for in Retry-After holds for everybody once it is an outage.
func TestOutageLastsAsLongAsLWAAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lwa.answer = func(int, url.Values) reply {
			return reply{status: 503, header: http.Header{"Retry-After": {"300"}}}
		}
		k := w.keeper()
		for i := range 4 {
			name := fmt.Sprintf("ACME-VAC-1::SN%04d", i)
			_, err := k.AccessToken(t.Context(), w.pair(name, -time.Minute))
			u := caught[*tokens.UnavailableError](t, err)
			if i == 3 && (!u.Outage || u.RetryAfter < 300*time.Second || u.RetryAfter > 330*time.Second) {
				t.Errorf("error = %+v, want an outage of 300 to 330 s", u)
			}
		}
	})
}

// An answer, whatever it says, is a sign of life.
func TestRefusalsAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lwa.answer = func(n int, _ url.Values) reply {
			if n%3 == 0 {
				return refusal(400, "invalid_grant")
			}
			return reply{status: 500}
		}
		k := w.keeper()
		for i := range 30 {
			name := fmt.Sprintf("ACME-VAC-1::SN%04d", i)
			_, err := k.AccessToken(t.Context(), w.pair(name, -time.Minute))
			if u, ok := errors.AsType[*tokens.UnavailableError](err); ok && u.Outage {
				t.Fatalf("device %d: %v, want no outage", i, err)
			}
		}
	})
}
