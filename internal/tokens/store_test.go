package tokens_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

func TestRefreshTokenIsStoredBeforeTheAccessTokenIsUsed(t *testing.T) {
	for name, test := range map[string]struct {
		answer reply
		want   string
	}{
		"rotated":  {rotated(1), "Atzr|canary-1"},
		"withheld": {token(1), oldFresh},
		"the same": {reply{body: `{"access_token":"Atza|canary-1","refresh_token":"` + oldFresh + `","token_type":"bearer","expires_in":3600}`}, oldFresh},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.pair(device, -time.Minute)
				w.lwa.answer = func(int, url.Values) reply { return test.answer }
				got, err := w.keeper().AccessToken(t.Context(), w.read(device))
				access, refresh := w.opened(device) // at the moment the caller has the token
				wantToken(t, got, err, "Atza|canary-1")
				if access != "Atza|canary-1" || refresh != test.want {
					t.Errorf("stored tokens = %s, %s, want Atza|canary-1, %s", access, refresh, test.want)
				}
				if sent := w.lwa.call(1).Get("refresh_token"); sent != oldFresh {
					t.Errorf("sent refresh token = %s, want %s", sent, oldFresh)
				}
			})
		})
	}
}

// failing makes a keeper whose store refuses results while down() says so.
func (w *world) failing(down func() bool) *tokens.Keeper {
	return w.keeper(func(k *tokens.Keeper) {
		k.Store = &view{Store: w.store, put: func(r *store.Registration, do func() error) error {
			if r.LeaseOwner == "" && down() {
				return errStoreDown
			}
			return do()
		}}
	})
}

func TestResultIsStoredOnceTheStoreWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply { return rotated(n) }
		heals := time.Now().Add(10 * time.Second)
		k := w.failing(func() bool { return time.Now().Before(heals) })
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-1")
		if late := time.Since(heals); late < 0 || late > 2*time.Second {
			t.Errorf("the token came %v after the store worked again, want within 2 s", late)
		}
	})
}

// A rotated token that can't be stored is not used, and not lost.
func TestUnstoredTokenIsKeptForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply {
			if n > 1 {
				return refusal(400, "invalid_grant") // the old one died with the first answer
			}
			return rotated(n)
		}
		down := true
		k := w.failing(func() bool { return down })
		start := time.Now()
		for range 2 {
			got, err := k.AccessToken(t.Context(), w.read(device))
			wantError[*tokens.UnavailableError](t, err)
			if !got.IsZero() || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("AccessToken() = %v, want no token and the store's error", err)
			}
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("two callers were kept for %v, want at most a lease each", took)
		}
		down = false
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-1")
		if _, refresh := w.opened(device); refresh != "Atzr|canary-1" || w.lwa.count() != 1 {
			t.Errorf("stored refresh token = %s after %d calls, want the rotated one after 1", refresh, w.lwa.count())
		}
	})
}

// The store was down for longer than the access token lives: what is stored then has expired,
// but its refresh token hasn't.
func TestUnstoredTokenThatExpiredIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, form url.Values) reply {
			if n > 1 && form.Get("refresh_token") != fmt.Sprint("Atzr|canary-", n-1) {
				return refusal(400, "invalid_grant") // each dies with the answer to it
			}
			return rotated(n)
		}
		down := true
		k := w.failing(func() bool { return down })
		_, err := k.AccessToken(t.Context(), w.read(device))
		wantError[*tokens.UnavailableError](t, err)
		time.Sleep(2 * time.Hour)
		down = false
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-2")
		if access, refresh := w.opened(device); access != "Atza|canary-2" || refresh != "Atzr|canary-2" || w.lwa.count() != 2 {
			t.Errorf("stored %s and %s after %d calls, want those of the second", access, refresh, w.lwa.count())
		}
	})
}

// Nor is one that the store refuses for a reason that isn't known to pass.
func TestRefusedTokenIsKeptForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply { return rotated(n) }
		broken := errors.New("access denied")
		k := w.keeper(func(k *tokens.Keeper) {
			k.Store = &view{Store: w.store, put: func(r *store.Registration, do func() error) error {
				if r.LeaseOwner == "" && broken != nil {
					return broken
				}
				return do()
			}}
		})
		got, err := k.AccessToken(t.Context(), w.read(device))
		if !got.IsZero() || !errors.Is(err, broken) {
			t.Errorf("AccessToken() = %v, want no token and the store's error", err)
		}
		broken = nil
		got, err = k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-1")
	})
}

// What was kept for tokens that somebody has replaced since is worth nothing.
func TestUnstoredTokenYieldsToANewSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(n int, _ url.Values) reply { return rotated(n) }
		down := true
		k := w.failing(func() bool { return down })
		_, err := k.AccessToken(t.Context(), w.read(device))
		wantError[*tokens.UnavailableError](t, err)
		w.update(device, func(r *store.Registration) {
			r.Grant = "grant-2"
			w.seal(r, &lwa.Token{AccessToken: lwa.NewSecret("Atza|canary-pair"), RefreshToken: lwa.NewSecret("Atzr|canary-pair"), Expiry: time.Now()})
		})
		down = false
		got, err := k.AccessToken(t.Context(), w.read(device))
		wantToken(t, got, err, "Atza|canary-2")
		if sent := w.lwa.call(2).Get("refresh_token"); sent != "Atzr|canary-pair" {
			t.Errorf("sent refresh token = %s, want that of the new sign-in", sent)
		}
	})
}

// A store client repeats a write whose answer was lost, and is told of a conflict, with
// itself; or it gives up, though the write was done.
func TestWritesWhoseAnswersAreLost(t *testing.T) {
	for name, lost := range map[string]error{"conflict": store.ErrConflict, "unavailable": errStoreDown} {
		for _, which := range []string{"claim", "result", "end"} {
			if name == "unavailable" && which == "claim" {
				continue // then LWA is not asked, and the caller is told so: TestStoreIsUnavailable
			}
			t.Run(name+" after the "+which, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.pair(device, -time.Minute)
					if which == "end" {
						w.lwa.answer = func(int, url.Values) reply { return refusal(400, "invalid_grant") }
					}
					once := true
					k := w.keeper(func(k *tokens.Keeper) {
						k.Store = &view{Store: w.store, put: func(r *store.Registration, do func() error) error {
							err := do()
							if once && (which == "claim") == (r.LeaseOwner != "") {
								once, err = false, lost
								r.Version-- // as a store does that failed
							}
							return err
						}}
					})
					got, err := k.AccessToken(t.Context(), w.read(device))
					if which == "end" {
						wantError[*tokens.GrantEndedError](t, err)
						if w.hooks() != 1 {
							t.Errorf("%d ends told, want 1", w.hooks())
						}
					} else {
						wantToken(t, got, err, "Atza|canary-1")
					}
					if n := w.lwa.count(); n != 1 {
						t.Errorf("%d calls to LWA, want 1", n)
					}
				})
			})
		}
	}
}

func TestStoreIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, -time.Minute)
		k := w.keeper(func(k *tokens.Keeper) {
			k.Store = &view{
				Store: w.store,
				put:   func(*store.Registration, func() error) error { return errStoreDown },
				get:   func(func() error) error { return errStoreDown },
			}
		})
		_, err := k.AccessToken(t.Context(), r)
		_, due := k.RefreshDue(t.Context(), device)
		for _, err := range []error{err, due} {
			if u := caught[*tokens.UnavailableError](t, err); u.RetryAfter < time.Second || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error = %+v, want one that wraps ErrUnavailable, with RetryAfter", u)
			}
		}
		if w.lwa.count() != 0 {
			t.Error("LWA was asked without a lease")
		}
	})
}

// A store that is broken for good is not something to wait for.
func TestStoreIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		broken := errors.New("access denied")
		k := w.keeper(func(k *tokens.Keeper) {
			k.Store = &view{Store: w.store, put: func(*store.Registration, func() error) error { return broken }}
		})
		_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		if _, passes := errors.AsType[*tokens.UnavailableError](err); passes || !errors.Is(err, broken) {
			t.Errorf("error = %v, want the store's own", err)
		}
	})
}

// A token that is over before it is stored is no reason to ask again and again.
func TestTokenThatExpiresOnArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pair(device, -time.Minute)
		w.lwa.answer = func(int, url.Values) reply {
			return reply{body: `{"access_token":"Atza|canary-1","token_type":"bearer","expires_in":1}`, delay: 2 * time.Second}
		}
		_, err := w.keeper().AccessToken(t.Context(), w.read(device))
		wantError[*tokens.UnexpectedError](t, err)
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA, want 1", n)
		}
	})
}
