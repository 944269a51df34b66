package tokens_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.pair(device, 30*time.Minute)
		rejected := lwa.NewSecret(oldToken)

		// 800 callers, one refused token, one refresh.
		got, errs := w.everyone(func(k *tokens.Keeper, r *store.Registration) (lwa.Secret, error) {
			return k.Renew(t.Context(), r, rejected)
		})
		for i := range got {
			wantToken(t, got[i], errs[i], "Atza|canary-1")
		}
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA, want 1", n)
		}

		// Somebody else has renewed it: one who still has the old record sees that.
		token, err := w.keeper().Renew(t.Context(), first, rejected)
		wantToken(t, token, err, "Atza|canary-1")
		puts := w.store.puts
		token, err = w.keeper().Renew(t.Context(), w.read(device), rejected)
		wantToken(t, token, err, "Atza|canary-1")
		if n := w.lwa.count(); n != 1 || w.store.puts != puts {
			t.Errorf("%d calls to LWA and %d writes after that, want 1 and 0", n, w.store.puts-puts)
		}
	})
}

// The refused token is not handed out again, even should LWA be away.
func TestRenewNeverReturnsTheRejectedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, 30*time.Minute)
		w.lwa.answer = func(int, url.Values) reply { return reply{status: 503} }
		for range 3 {
			got, err := w.keeper().Renew(t.Context(), r, lwa.NewSecret(oldToken))
			wantError[*tokens.UnavailableError](t, err)
			if !got.IsZero() {
				t.Error("the rejected token was returned")
			}
		}
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA before the next attempt, want 1", n)
		}
	})
}

func TestRenewWithoutRefreshTokenEndsTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, 30*time.Minute, func(r *store.Registration) { r.RefreshToken = "" })
		_, err := w.keeper().Renew(t.Context(), r, lwa.NewSecret(oldToken))
		wantError[*tokens.GrantEndedError](t, err)
		if r.Status != store.GrantEnded || w.hooks() != 1 {
			t.Errorf("r = %s, %d ends told, want grant_ended and 1", r.Status, w.hooks())
		}
	})
}
