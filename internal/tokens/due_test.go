package tokens_test

import (
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

func TestRefreshDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.keeper()
		at := w.pair(device, time.Hour).DueAt
		due, err := k.RefreshDue(t.Context(), device)
		if err != nil || due != (tokens.Due{}) || w.lwa.count() != 0 {
			t.Errorf("RefreshDue() = %+v, %v before it is due, want nothing", due, err)
		}
		time.Sleep(time.Until(at))
		gets, puts := w.store.counts()
		due, err = k.RefreshDue(t.Context(), device)
		if err != nil || !due.Refreshed || !due.At.Equal(at) {
			t.Errorf("RefreshDue() = %+v, %v when due, want refreshed, due at %v", due, err, at)
		}
		if g, p := w.store.counts(); g-gets != 1 || p-puts != 2 {
			t.Errorf("RefreshDue() took %d reads and %d writes, want 1 and 2", g-gets, p-puts)
		}
		access, _ := w.opened(device)
		if access != "Atza|canary-1" {
			t.Errorf("stored access token = %s, want the new one", access)
		}
		due, err = k.RefreshDue(t.Context(), device)
		if err != nil || due.Refreshed {
			t.Errorf("RefreshDue() again = %+v, %v, want nothing", due, err)
		}
		if next := time.Until(w.read(device).DueAt); next < 45*time.Minute {
			t.Errorf("due again in %v, want 45 minutes or more", next)
		}
	})
}

// Whatever the index says, a grant without refresh token is not cut short.
func TestRefreshDueLeavesALivingGrantAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, time.Minute, func(r *store.Registration) { r.RefreshToken, r.DueAt = "", time.Now() })
		if err := w.keeper().RefreshAhead(t.Context(), device); err != nil || w.hooks() != 0 {
			t.Errorf("RefreshAhead() = %v, %d ends told, want nil and 0", err, w.hooks())
		}
	})
}

// Two sweeps of one shard, and presses besides: the sweep leaves alone what is leased.
func TestRefreshDueLeavesALeasedRecordAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, 5*time.Minute, func(r *store.Registration) {
			r.DueAt = time.Now()
			r.LeaseOwner, r.LeaseUntil = "somebody", time.Now().Add(20*time.Second)
		})
		start := time.Now()
		due, err := w.keeper().RefreshDue(t.Context(), device)
		if took := time.Since(start); err != nil || due.Refreshed || took != 0 || w.lwa.count() != 0 {
			t.Errorf("RefreshDue() = %+v, %v after %v, want nothing at once", due, err, took)
		}
	})
}

// A press while the sweep refreshes does not wait: its token still lives.
func TestPressDuringTheSweepDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, 12*time.Minute, func(r *store.Registration) { r.DueAt = time.Now() })
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := token(n)
			r.delay = 5 * time.Second
			return r
		}
		k := w.keeper()
		var sweep sync.WaitGroup
		sweep.Go(func() {
			if err := k.RefreshAhead(t.Context(), device); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		start := time.Now()
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, oldToken)
		if took := time.Since(start); took != 0 {
			t.Errorf("the press waited %v", took)
		}
		sweep.Wait()
	})
}
