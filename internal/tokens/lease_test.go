package tokens_test

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// everyone has 8 keepers with 100 callers each ask for a token, all with the record as
// it was at first, and returns what they got.
func (w *world) everyone(ask func(k *tokens.Keeper, r *store.Registration) (lwa.Secret, error), change ...func(*tokens.Keeper)) (got []lwa.Secret, errs []error) {
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for range 8 {
		k := w.keeper(change...)
		for range 100 {
			r := w.read(device)
			wg.Go(func() {
				token, err := ask(k, r)
				mu.Lock()
				defer mu.Unlock()
				got, errs = append(got, token), append(errs, err)
			})
		}
	}
	wg.Wait()
	return got, errs
}

func (w *world) accessToken(k *tokens.Keeper, r *store.Registration) (lwa.Secret, error) {
	return k.AccessToken(w.t.Context(), r)
}

func TestOneRefreshForTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := token(n)
			r.delay = 3 * time.Second
			return r
		}
		_, before := w.store.counts()
		got, errs := w.everyone(w.accessToken)
		for i := range got {
			wantToken(t, got[i], errs[i], "Atza|canary-1")
		}
		if n := w.lwa.count(); len(got) != 800 || n != 1 {
			t.Errorf("%d callers made %d calls to LWA, want 800 and 1", len(got), n)
		}
		if _, puts := w.store.counts(); puts-before != 2 {
			t.Errorf("the refresh took %d writes, want 2", puts-before)
		}
	})
}

// The winner's caller has just read the record: reading it again would be for nothing.
func TestRefreshIsTwoWritesAndNoRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, -time.Minute)
		gets, puts := w.store.counts()
		token, err := w.keeper().AccessToken(t.Context(), r)
		wantToken(t, token, err, "Atza|canary-1")
		if g, p := w.store.counts(); g-gets != 0 || p-puts != 2 {
			t.Errorf("AccessToken() took %d reads and %d writes, want 0 and 2", g-gets, p-puts)
		}
		if stored := w.read(device); r.Version != stored.Version || r.AccessToken != stored.AccessToken || r.LeaseOwner != "" {
			t.Errorf("r is not the newest record: version %d, want %d", r.Version, stored.Version)
		}
	})
}

// A hundred callers in one process cost the store no more than one.
func TestCallersOfOneProcessShareAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute, func(r *store.Registration) { r.Slots = []message.Slot{{Slot: "filter"}} })
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := token(n)
			r.delay = time.Second
			return r
		}
		gets, puts := w.store.counts()
		k := w.keeper()
		var wg sync.WaitGroup
		records := make([]*store.Registration, 100)
		for i := range records {
			records[i] = w.read(device)
			wg.Go(func() {
				got, err := k.AccessToken(t.Context(), records[i])
				wantToken(t, got, err, "Atza|canary-1")
			})
		}
		wg.Wait()
		records[0].Slots[0].Slot = "mine"
		if records[1].Slots[0].Slot != "filter" {
			t.Error("two callers share one record")
		}
		if g, p := w.store.counts(); g != gets || p-puts != 2 || w.store.conflicts != 0 {
			t.Errorf("100 callers took %d reads, %d writes, %d conflicts; want 0, 2, 0", g-gets, p-puts, w.store.conflicts)
		}
	})
}

func TestOneCallerGivingUpRobsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := token(n)
			r.delay = 2 * time.Second
			return r
		}
		k := w.keeper()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := k.AccessToken(ctx, w.read(device))
			wantError[*tokens.UnavailableError](t, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v, want one that is context.Canceled", err)
			}
		})
		synctest.Wait() // the first caller is waiting for LWA
		wg.Go(func() {
			got, err := k.AccessToken(t.Context(), w.read(device))
			wantToken(t, got, err, "Atza|canary-1")
		})
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA, want 1", n)
		}
	})
}

// On Lambda the process freezes when its caller has to answer: what LWA sends after that
// may be lost, and a rotated refresh token with it.
func TestNoCallToLWAWithoutTimeForItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := token(n)
			r.delay = 9 * time.Second
			return r
		}
		ask := func(left time.Duration) (lwa.Secret, error) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			return w.keeper().AccessToken(ctx, w.read(device))
		}
		_, err := ask(3 * time.Second)
		wantError[*tokens.UnavailableError](t, err)
		if n := w.lwa.count(); n != 0 {
			t.Errorf("with 3 s left LWA was called %d times, want none", n)
		}
		got, err := ask(12 * time.Second)
		wantToken(t, got, err, "Atza|canary-1")
	})
}

// dead is a keeper that is killed while LWA is answering: nothing of it goes on.
func (w *world) dead() *tokens.Keeper {
	return w.keeper(func(k *tokens.Keeper) {
		claimed := false
		k.Store = &view{Store: w.store, put: func(_ *store.Registration, do func() error) error {
			if claimed {
				<-w.t.Context().Done()
				return w.t.Context().Err()
			}
			claimed = true
			return do()
		}}
	})
}

func TestKilledKeeperDelaysOthersByItsLease(t *testing.T) {
	for _, lease := range []time.Duration{0, 45 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.pair(device, -time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			dead := w.dead()
			dead.Lease = lease
			_, err := dead.AccessToken(ctx, w.read(device))
			wantError[*tokens.UnavailableError](t, err)
			if lease == 0 {
				lease = 20 * time.Second
			}

			start := time.Now()
			got, errs := w.everyone(w.accessToken, func(k *tokens.Keeper) { k.Lease = lease })
			for i := range got {
				wantToken(t, got[i], errs[i], "Atza|canary-2")
			}
			if took := time.Since(start); took > lease {
				t.Errorf("the others waited %v, want at most the lease of %v", took, lease)
			}
			if n := w.lwa.count(); n != 2 {
				t.Errorf("%d calls to LWA, want the dead keeper's and 1", n)
			}
		})
	}
}

// A claim that took the store longer than the lease lasts is none.
func TestLWAIsOnlyAskedUnderALivingLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		slow := true
		k := w.keeper(func(k *tokens.Keeper) {
			k.Store = &view{Store: w.store, put: func(_ *store.Registration, do func() error) error {
				if slow {
					slow = false
					time.Sleep(25 * time.Second)
				}
				return do()
			}}
		})
		w.lwa.answer = func(n int, _ url.Values) reply {
			if left := time.Until(w.read(device).LeaseUntil); left < 10*time.Second {
				t.Errorf("LWA was asked with a lease of %v", left)
			}
			return token(n)
		}
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-1")
	})
}

// A lease that would last for hours was written under a wrong clock.
func TestLeaseOfAWrongClockIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, -time.Minute, func(r *store.Registration) {
			r.LeaseOwner, r.LeaseUntil = "somebody", time.Now().Add(5*time.Hour)
		})
		start := time.Now()
		got, err := w.keeper().AccessToken(t.Context(), r)
		wantToken(t, got, err, "Atza|canary-1")
		if took := time.Since(start); took != 0 {
			t.Errorf("AccessToken() waited %v, want no wait", took)
		}
	})
}

// The record was replaced since the caller read it, and its new token has expired too.
func TestCallerWithAnOldRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, -2*time.Hour)
		if _, err := w.keeper().AccessToken(t.Context(), w.read(device)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		got, err := w.keeper().AccessToken(t.Context(), r)
		wantToken(t, got, err, "Atza|canary-2")
	})
}
