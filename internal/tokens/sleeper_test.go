package tokens_test

import (
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// A keeper whose process was frozen finds that its lease was taken over.
func TestSleeperCannotOverwriteTheNewerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := rotated(n)
			if n == 1 {
				r.delay, r.deaf = 40*time.Second, true
			}
			return r
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := w.keeper().AccessToken(t.Context(), w.read(device))
			wantToken(t, got, err, "Atza|canary-2")
		})
		synctest.Wait()
		got, err := w.keeper().AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-2")
		after := w.read(device)
		wg.Wait()
		if access, refresh := w.opened(device); access != "Atza|canary-2" || refresh != "Atzr|canary-2" {
			t.Errorf("stored tokens = %s, %s, want those of the one who took over", access, refresh)
		}
		if now := w.read(device); now.Version != after.Version {
			t.Errorf("the sleeper wrote version %d over %d", now.Version, after.Version)
		}
	})
}

// The sleeper has the only living refresh token: who took over is refused with the old one.
func TestSleepersRotatedTokenIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			if n == 1 {
				r := rotated(n)
				r.delay, r.deaf = 22*time.Second, true
				return r
			}
			r := refusal(400, "invalid_grant")
			r.delay = 5 * time.Second
			return r
		}
		got, errs := w.everyone(w.accessToken)
		for i := range got {
			wantToken(t, got[i], errs[i], "Atza|canary-1")
		}
		if access, refresh := w.opened(device); access != "Atza|canary-1" || refresh != "Atzr|canary-1" {
			t.Errorf("stored tokens = %s, %s, want the sleeper's", access, refresh)
		}
		if r := w.read(device); r.Status != store.Active || w.hooks() != 0 {
			t.Errorf("status = %s, %d ends told, want active and none", r.Status, w.hooks())
		}
	})
}

// One whose lease was taken over may be refused only because the other has rotated the
// token and not stored it yet. It must not end the grant.
func TestRefusedSleeperDoesNotEndTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			if n == 1 {
				r := refusal(400, "invalid_grant")
				r.delay, r.deaf = 22*time.Second, true
				return r
			}
			r := rotated(n)
			r.delay = 5 * time.Second
			return r
		}
		got, errs := w.everyone(w.accessToken)
		for i := range got {
			wantToken(t, got[i], errs[i], "Atza|canary-2")
		}
		if w.hooks() != 0 || w.lwa.count() != 2 {
			t.Errorf("%d ends told, %d calls, want 0 and 2", w.hooks(), w.lwa.count())
		}
	})
}

// A keeper that took over is still asking when the sleeper stores its result. What LWA
// answered last stays; a refresh token that was rotated is never replaced by an older one.
func TestSleeperStoresFirst(t *testing.T) {
	for name, test := range map[string]struct {
		second  func(n int) reply
		refresh string
	}{
		"both rotated":      {rotated, "Atzr|canary-2"},
		"the second hasn't": {token, "Atzr|canary-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.pair(device, -time.Minute)
				w.lwa.answer = func(n int, _ url.Values) reply {
					if n == 1 {
						r := rotated(n)
						r.delay, r.deaf = 22*time.Second, true
						return r
					}
					r := test.second(n)
					r.delay = 5 * time.Second
					return r
				}
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						if _, err := w.keeper().AccessToken(t.Context(), w.read(device)); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if access, refresh := w.opened(device); access != "Atza|canary-2" || refresh != test.refresh {
					t.Errorf("stored tokens = %s, %s, want Atza|canary-2, %s", access, refresh, test.refresh)
				}
			})
		})
	}
}

// Other functions write the record while its refresh is under way. Neither's work is lost.
func TestUnrelatedChangesUnderTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		seen := time.Now().Truncate(time.Second)
		w.lwa.answer = func(n int, _ url.Values) reply {
			w.update(device, func(r *store.Registration) {
				r.LastActive = seen
				r.Slots = []message.Slot{{Slot: "filter", Subscribed: true}}
			})
			return rotated(n)
		}
		got, err := w.keeper().AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-1")
		if _, refresh := w.opened(device); refresh != "Atzr|canary-1" {
			t.Errorf("stored refresh token = %s, want the rotated one", refresh)
		}
		r := w.read(device)
		if !r.LastActive.Equal(seen) || len(r.Slots) != 1 || r.LeaseOwner != "" {
			t.Errorf("record = last active %v, slots %v, lease %q; want the other's changes and no lease", r.LastActive, r.Slots, r.LeaseOwner)
		}
	})
}

// A registration that was moved to another customer meanwhile keeps the new tokens.
func TestNewSignInWhileRefreshing(t *testing.T) {
	for _, first := range []reply{rotated(1), refusal(400, "invalid_grant")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.pair(device, -time.Minute)
			w.lwa.answer = func(n int, _ url.Values) reply {
				if n > 1 {
					return refusal(400, "invalid_grant")
				}
				w.update(device, func(r *store.Registration) {
					r.Grant = "grant-2"
					w.seal(r, &lwa.Token{
						AccessToken: lwa.NewSecret("Atza|canary-pair"), RefreshToken: lwa.NewSecret("Atzr|canary-pair"),
						Expiry: time.Now().Add(time.Hour),
					})
				})
				return first
			}
			got, err := w.keeper().AccessToken(t.Context(), w.read(device))
			wantToken(t, got, err, "Atza|canary-pair")
			if access, refresh := w.opened(device); access != "Atza|canary-pair" || refresh != "Atzr|canary-pair" {
				t.Errorf("stored tokens = %s, %s, want those of the new sign-in", access, refresh)
			}
			if n := w.lwa.count(); n != 1 || w.hooks() != 0 {
				t.Errorf("%d calls to LWA, %d ends told, want 1 and 0", n, w.hooks())
			}
		})
	}
}
