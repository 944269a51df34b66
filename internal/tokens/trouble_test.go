package tokens_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

var transient = map[string]reply{
	"no answer":        {err: errors.New("connection reset by peer")},
	"hangs":            {delay: time.Hour},
	"429":              {status: 429, body: `{"error":"too_many"}`},
	"500":              {status: 500, body: `{"error":"ServerError"}`},
	"503 page":         {status: 503, body: `<html>`, header: http.Header{"Content-Type": {"text/html"}}},
	"200 page":         {body: `<html>hello`},
	"broken off":       {body: `{"access_token":"Atza|can`},
	"server_error":     {status: 400, body: `{"error":"server_error"}`},
	"grant, with 500":  {status: 500, body: `{"error":"invalid_grant"}`},
	"client, with 503": {status: 503, body: `{"error":"invalid_client"}`},
}

func TestTransientFailureIsRecordedAndNotRepeated(t *testing.T) {
	for name, answer := range transient {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.pair(device, -time.Minute)
				w.lwa.answer = func(int, url.Values) reply { return answer }
				r := w.read(device)
				_, before := w.store.counts()
				_, err := w.keeper().AccessToken(t.Context(), r)
				u := caught[*tokens.UnavailableError](t, err)
				if _, puts := w.store.counts(); puts-before != 2 {
					t.Errorf("a failure took %d writes, want 2", puts-before)
				}
				stored := w.read(device)
				if stored.Status != store.Active || stored.Failures != 1 || stored.LeaseOwner != "" {
					t.Errorf("record = %s, %d failures, lease %q; want active, 1, none", stored.Status, stored.Failures, stored.LeaseOwner)
				}
				wait := time.Until(stored.NextAttempt)
				if wait < time.Second || wait > 4*time.Second || u.RetryAfter.Round(time.Second) != wait.Round(time.Second) {
					t.Errorf("next attempt in %v, RetryAfter %v, want both the same 1 to 4 s", wait, u.RetryAfter)
				}
				if !stored.DueAt.Equal(stored.NextAttempt) || stored.DueShard == "" {
					t.Errorf("due at %v in shard %q, want at the next attempt", stored.DueAt, stored.DueShard)
				}

				_, errs := w.everyone(w.accessToken)
				for _, err := range errs {
					if u := caught[*tokens.UnavailableError](t, err); u.RetryAfter < time.Second {
						t.Fatalf("RetryAfter = %v, want at least 1 s", u.RetryAfter)
					}
				}
				if n := w.lwa.count(); n != 1 {
					t.Errorf("%d calls to LWA before the next attempt, want 1", n)
				}

				w.lwa.answer = nil
				time.Sleep(time.Until(stored.NextAttempt))
				got, err := w.keeper().AccessToken(t.Context(), w.read(device))
				wantToken(t, got, err, "Atza|canary-2")
				if r := w.read(device); r.Failures != 0 || !r.NextAttempt.IsZero() {
					t.Errorf("after a success: %d failures, next attempt %v, want none", r.Failures, r.NextAttempt)
				}
			})
		})
	}
}

func TestCallHasADeadline(t *testing.T) {
	for _, limit := range []time.Duration{0, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.lwa.answer = func(int, url.Values) reply { return transient["hangs"] }
			start := time.Now()
			k := w.keeper(func(k *tokens.Keeper) { k.CallTimeout = limit })
			_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
			wantError[*tokens.UnavailableError](t, err)
			want := limit
			if want == 0 {
				want = 10 * time.Second
			}
			if took := time.Since(start); took != want {
				t.Errorf("a call that hangs took %v, want %v", took, want)
			}
		})
	}
}

func TestFailuresBackOffFurtherAndFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(int, url.Values) reply { return reply{status: 500} }
		want := []time.Duration{4, 8, 16, 32, 64, 128, 256, 300, 300}
		for i, most := range want {
			// Another keeper each time: this is about the device, not the process.
			k := w.keeper(func(k *tokens.Keeper) { k.Rand = func() float64 { return 0.999999 } })
			_, err := k.AccessToken(t.Context(), w.read(device))
			wantError[*tokens.UnavailableError](t, err)
			wait := time.Until(w.read(device).NextAttempt).Round(time.Second)
			if wait != most*time.Second {
				t.Errorf("after %d failures: %v, want up to %v", i+1, wait, most*time.Second)
			}
			time.Sleep(wait)
		}
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	for header, want := range map[string]time.Duration{"30": 30 * time.Second, "600": 600 * time.Second, "3000": 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.pair(device, -time.Minute)
			w.lwa.answer = func(int, url.Values) reply {
				return reply{status: 429, header: http.Header{"Retry-After": {header}}}
			}
			_, err := w.keeper().AccessToken(t.Context(), w.read(device))
			u := caught[*tokens.UnavailableError](t, err)
			wait := time.Until(w.read(device).NextAttempt)
			if wait < want || wait > want*11/10 || u.RetryAfter < want {
				t.Errorf("Retry-After %s: next attempt in %v, RetryAfter %v, want %v to a tenth more", header, wait, u.RetryAfter, want)
			}
		})
	}
}

func TestUnknownAnswerIsNotRepeated(t *testing.T) {
	for _, code := range []string{"unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type", "access_denied", "never_heard_of", ""} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.pair(device, -time.Minute)
				w.lwa.answer = func(int, url.Values) reply { return refusal(400, code) }
				_, errs := w.everyone(w.accessToken)
				unexpected := 0
				for _, err := range errs {
					if _, ok := errors.AsType[*tokens.UnexpectedError](err); ok {
						unexpected++
						continue
					}
					wantError[*tokens.UnavailableError](t, err)
				}
				r := w.read(device)
				if unexpected == 0 || w.lwa.count() != 1 || r.Status != store.Active || w.hooks() != 0 {
					t.Errorf("%d unexpected errors, %d calls, status %s, %d ends; want some, 1, active, 0", unexpected, w.lwa.count(), r.Status, w.hooks())
				}
				if wait := time.Until(r.NextAttempt); wait < 2*time.Minute || wait > 5*time.Minute {
					t.Errorf("next attempt in %v, want 2½ to 5 minutes", wait)
				}
			})
		})
	}
}

func TestWithdrawnConsentEndsTheGrantOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(int, url.Values) reply {
			r := refusal(400, "invalid_grant")
			r.delay = time.Second
			return r
		}
		for range 2 {
			_, errs := w.everyone(w.accessToken)
			for _, err := range errs {
				if e := caught[*tokens.GrantEndedError](t, err); e.Reason != store.ReasonConsentWithdrawn || e.At.IsZero() {
					t.Fatalf("error = %+v, want consent_withdrawn with a time", e)
				}
			}
			if err := w.keeper().RefreshAhead(t.Context(), device); err == nil {
				t.Error("RefreshAhead() = nil, want an error")
			}
			if n := w.lwa.count(); n != 1 || w.hooks() != 1 {
				t.Fatalf("%d calls to LWA and %d ends told, want 1 and 1", n, w.hooks())
			}
			time.Sleep(24 * time.Hour)
		}
		r, told := w.read(device), w.ended[0]
		if r.Status != store.GrantEnded || r.AccessToken != "" || r.RefreshToken != "" || !r.DueAt.IsZero() || r.DueShard != "" {
			t.Errorf("record = %+v, want an ended grant without tokens and due time", r)
		}
		if told.Status != store.GrantEnded || told.Reason != r.Reason || told.Version != r.Version {
			t.Errorf("told = %s %s version %d, want the record as stored", told.Status, told.Reason, told.Version)
		}
	})
}

// The end is told only once it is stored: as long as it isn't, it can turn out otherwise.
func TestEndIsToldOnlyWhenStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(int, url.Values) reply { return refusal(400, "invalid_grant") }
		k := w.keeper(func(k *tokens.Keeper) {
			k.Store = &view{Store: w.store, put: func(r *store.Registration, do func() error) error {
				if r.Status == store.GrantEnded {
					return errStoreDown
				}
				return do()
			}}
		})
		_, err := k.AccessToken(t.Context(), w.read(device))
		wantError[*tokens.UnavailableError](t, err)
		if w.hooks() != 0 {
			t.Error("an end was told that is not stored")
		}
	})
}
