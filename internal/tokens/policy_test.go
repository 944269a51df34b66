package tokens_test

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

func TestDueTime(t *testing.T) {
	for name, test := range map[string]struct {
		policy   tokens.Policy
		life     time.Duration
		without  bool // refresh token
		from, to time.Duration
	}{
		"ahead":                         {tokens.Ahead, time.Hour, false, 45 * time.Minute, 50 * time.Minute},
		"no policy is ahead":            {"", time.Hour, false, 45 * time.Minute, 50 * time.Minute},
		"a short life, at half of it":   {tokens.Ahead, 10 * time.Minute, false, 5 * time.Minute, 5 * time.Minute},
		"without refresh token, at end": {tokens.Ahead, time.Hour, true, time.Hour, time.Hour},
		"on use, without":               {tokens.OnUse, time.Hour, true, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				k := w.keeper(func(k *tokens.Keeper) { k.Policy = test.policy })
				seen := map[time.Duration]bool{}
				for range 50 {
					r := &store.Registration{Thing: device}
					token := &lwa.Token{AccessToken: lwa.NewSecret(oldToken), RefreshToken: lwa.NewSecret(oldFresh), Expiry: time.Now().Add(test.life)}
					if test.without {
						token.RefreshToken = lwa.Secret{}
					}
					if err := k.Seal(t.Context(), r, token); err != nil {
						t.Fatal(err)
					}
					due := time.Until(r.DueAt)
					if due < test.from || due > test.to {
						t.Errorf("due in %v, want %v to %v", due, test.from, test.to)
					}
					if r.DueShard != store.Shard(device, 16) {
						t.Errorf("shard = %q, want %q", r.DueShard, store.Shard(device, 16))
					}
					seen[due] = true
				}
				if test.from < test.to && len(seen) < 40 {
					t.Errorf("50 devices are due at %d times, want them spread", len(seen))
				}
			})
		})
	}
}

func TestOnUseIsNeverDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.keeper(func(k *tokens.Keeper) { k.Policy = tokens.OnUse })
		r := w.pair(device, -time.Minute) // due: it was sealed under the other policy
		w.lwa.answer = func(int, url.Values) reply { return reply{status: 500} }
		_, err := k.AccessToken(t.Context(), r)
		wantError[*tokens.UnavailableError](t, err)
		if r := w.read(device); !r.DueAt.IsZero() || r.DueShard != "" {
			t.Errorf("after a failure due at %v in shard %q, want never", r.DueAt, r.DueShard)
		}
		w.lwa.answer = nil
		time.Sleep(time.Minute)
		if _, err := k.AccessToken(t.Context(), w.read(device)); err != nil {
			t.Fatal(err)
		}
		if r := w.read(device); !r.DueAt.IsZero() || r.DueShard != "" {
			t.Errorf("after a success due at %v in shard %q, want never", r.DueAt, r.DueShard)
		}
	})
}

func TestGrantWithoutRefreshToken(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *tokens.Keeper, *store.Registration) error{
		"press": func(ctx context.Context, k *tokens.Keeper, r *store.Registration) error {
			_, err := k.AccessToken(ctx, r)
			return err
		},
		"sweep": func(ctx context.Context, k *tokens.Keeper, r *store.Registration) error {
			return k.RefreshAhead(ctx, r.Thing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				r := w.pair(device, time.Hour, func(r *store.Registration) {
					w.seal(r, &lwa.Token{AccessToken: lwa.NewSecret(oldToken), Expiry: time.Now().Add(time.Hour)})
				})
				time.Sleep(time.Hour - time.Second)
				got, err := w.keeper().AccessToken(t.Context(), r)
				wantToken(t, got, err, oldToken)
				if err := w.keeper().RefreshAhead(t.Context(), device); err != nil {
					t.Errorf("RefreshAhead() within the hour = %v, want nil", err)
				}
				time.Sleep(time.Second)
				var wg sync.WaitGroup
				for range 8 {
					k := w.keeper()
					r := w.read(device)
					wg.Go(func() {
						e := caught[*tokens.GrantEndedError](t, ask(t.Context(), k, r))
						if e.Reason != store.ReasonNoRefreshToken {
							t.Errorf("reason = %s, want no_refresh_token", e.Reason)
						}
					})
				}
				wg.Wait()
				r = w.read(device)
				if r.Status != store.GrantEnded || r.Reason != store.ReasonNoRefreshToken || !r.DueAt.IsZero() {
					t.Errorf("record = %s %s due %v, want grant_ended, no_refresh_token, never due", r.Status, r.Reason, r.DueAt)
				}
				if w.hooks() != 1 || w.lwa.count() != 0 {
					t.Errorf("%d ends told, %d calls to LWA, want 1 and 0", w.hooks(), w.lwa.count())
				}
			})
		})
	}
}
