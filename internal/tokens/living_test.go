package tokens_test

import (
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// A token that still lives is used whatever LWA says.
func TestLivingTokenIsUsed(t *testing.T) {
	for name, answer := range transient {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.lwa.answer = func(int, url.Values) reply { return answer }
				k := w.keeper()
				start := time.Now()
				got, err := k.AccessToken(t.Context(), w.pair(device, 61*time.Second))
				wantToken(t, got, err, oldToken)
				if took := time.Since(start); w.lwa.count() != 0 || took != 0 {
					t.Errorf("a good token took %d calls and %v, want none", w.lwa.count(), took)
				}
				// In its last minute LWA is asked, once; whatever comes of it.
				time.Sleep(20 * time.Second)
				for range 10 {
					got, err := k.AccessToken(t.Context(), w.read(device))
					wantToken(t, got, err, oldToken)
				}
				if w.lwa.count() != 1 {
					t.Errorf("%d calls to LWA, want 1", w.lwa.count())
				}
			})
		})
	}
	for _, answer := range []reply{refusal(401, "invalid_client"), refusal(400, "unauthorized_client")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.lwa.answer = func(int, url.Values) reply { return answer }
			got, err := w.keeper().AccessToken(t.Context(), w.pair(device, 30*time.Second))
			wantToken(t, got, err, oldToken)
		})
	}
}

// But not once the customer has withdrawn consent.
func TestLivingTokenOfAnEndedGrantIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lwa.answer = func(int, url.Values) reply { return refusal(400, "invalid_grant") }
		got, err := w.keeper().AccessToken(t.Context(), w.pair(device, 30*time.Second))
		wantError[*tokens.GrantEndedError](t, err)
		if !got.IsZero() {
			t.Error("a token was returned")
		}
	})
}

func TestLivingTokenDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, 30*time.Second, func(r *store.Registration) {
			r.LeaseOwner, r.LeaseUntil = "somebody", time.Now().Add(20*time.Second)
		})
		start := time.Now()
		got, err := w.keeper().AccessToken(t.Context(), r)
		wantToken(t, got, err, oldToken)
		if took := time.Since(start); took != 0 {
			t.Errorf("AccessToken() waited %v", took)
		}
	})
}

func TestNoTokenWithoutAnActiveRegistration(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)
	for status, want := range map[store.Status]error{
		store.GrantEnded:   &tokens.GrantEndedError{Reason: "consent_withdrawn", At: at},
		store.Deregistered: tokens.ErrNotRegistered,
		"":                 tokens.ErrNotRegistered,
	} {
		r := w.pair(device+string(status), time.Hour, func(r *store.Registration) {
			r.Status, r.Reason, r.StatusAt = status, "consent_withdrawn", at
		})
		k := w.keeper()
		_, err := k.AccessToken(t.Context(), r)
		_, again := k.Renew(t.Context(), r, lwa.NewSecret(oldToken))
		_, due := k.RefreshDue(t.Context(), r.Thing)
		for _, err := range []error{err, again, due} {
			if err == nil || err.Error() != want.Error() {
				t.Errorf("%q: error = %v, want %v", status, err, want)
			}
		}
	}
	if _, err := w.keeper().RefreshDue(t.Context(), "nobody::1"); !errors.Is(err, tokens.ErrNotRegistered) {
		t.Errorf("RefreshDue() of no thing = %v, want ErrNotRegistered", err)
	}
	if w.lwa.count() != 0 {
		t.Error("LWA was asked")
	}
}
