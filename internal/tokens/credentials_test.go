package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// vault is a source of credentials whose versions change.
type vault struct {
	mu       sync.Mutex
	current  string
	versions []string
	err      error
	reloads  int
}

func profile(secret string) credentials.LWA {
	return credentials.LWA{ClientID: clientID, ClientSecret: lwa.NewSecret(secret)}
}

func (v *vault) Current(context.Context) (credentials.LWA, error) { return profile(v.current), nil }

func (v *vault) Reload(context.Context) ([]credentials.LWA, error) {
	v.mu.Lock()
	v.reloads++
	v.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	all := []credentials.LWA{{ClientID: "amzn1.another", ClientSecret: lwa.NewSecret("another client's")}}
	for _, secret := range v.versions {
		all = append(all, profile(secret))
	}
	return all, v.err
}

// only has LWA take one secret.
func only(good string) func(int, url.Values) reply {
	return func(n int, form url.Values) reply {
		if form.Get("client_secret") != good {
			return refusal(401, "invalid_client")
		}
		return token(n)
	}
}

// sent returns the secrets that LWA was sent.
func (l *fakeLWA) sent() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, form := range l.calls {
		all = append(all, form.Get("client_secret"))
	}
	return all
}

func wantSent(t *testing.T, l *fakeLWA, want ...string) {
	t.Helper()
	if got := l.sent(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("secrets sent = %q, want %q", got, want)
	}
}

func TestRefusedSecretIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := &vault{current: "old", versions: []string{"old", "pending", "pending", "previous", "never reached"}}
		w.lwa.answer = only("previous")
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
		got, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		wantToken(t, got, err, "Atza|canary-3")
		wantSent(t, w.lwa, "old", "pending", "previous")

		// What worked is remembered, until it fails.
		_, err = k.AccessToken(t.Context(), w.pair(device+"2", -time.Minute))
		if err != nil {
			t.Error(err)
		}
		wantSent(t, w.lwa, "old", "pending", "previous", "previous")
		w.lwa.answer = only("pending")
		_, err = k.AccessToken(t.Context(), w.pair(device+"3", -time.Minute))
		if err != nil {
			t.Error(err)
		}
		wantSent(t, w.lwa, "old", "pending", "previous", "previous", "previous", "old", "pending")
		if v.reloads != 2 {
			t.Errorf("%d reloads, want 2", v.reloads)
		}
	})
}

func TestNoSecretWorks(t *testing.T) {
	for name, failed := range map[string]error{"": nil, "nor is there another": errors.New("secrets manager is away")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				v := &vault{current: "old", versions: []string{"old", "new"}, err: failed}
				w.lwa.answer = only("unknown")
				k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
				_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
				wantError[*tokens.CredentialsError](t, err)
				if failed != nil && !errors.Is(err, failed) {
					t.Errorf("error = %v, want one that is also %v", err, failed)
				}
				r := w.read(device)
				if r.Status != store.Active || !r.NextAttempt.After(time.Now()) || r.LeaseOwner != "" || w.hooks() != 0 {
					t.Errorf("record = %s, next attempt %v; want active with a next attempt", r.Status, r.NextAttempt)
				}

				// That is so for every device: nobody else asks LWA, or for the secret.
				asked := w.lwa.count()
				for i := range 20 {
					_, err := k.AccessToken(t.Context(), w.pair(fmt.Sprint(device, i), -time.Minute))
					wantError[*tokens.CredentialsError](t, err)
				}
				if w.lwa.count() != asked || v.reloads != 1 {
					t.Errorf("%d more calls to LWA, %d reloads, want 0 and 1", w.lwa.count()-asked, v.reloads)
				}

				// Repaired, it takes a minute at most until it is noticed.
				w.lwa.answer = only("old")
				time.Sleep(time.Minute)
				_, err = k.AccessToken(t.Context(), w.read(device))
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Ten devices find at the same moment that the secret was changed.
func TestReloadIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := &vault{current: "old", versions: []string{"new", "old"}}
		w.lwa.answer = only("new")
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
		var wg sync.WaitGroup
		for i := range 10 {
			r := w.pair(fmt.Sprint(device, i), -time.Minute)
			wg.Go(func() {
				if _, err := k.AccessToken(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if v.reloads != 1 {
			t.Errorf("%d reloads, want 1", v.reloads)
		}
	})
}

// A device whose grant has ended has proved the secret all the same.
func TestSecretIsProvedByARefusedGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := &vault{current: "old", versions: []string{"new"}}
		w.lwa.answer = func(n int, form url.Values) reply {
			if r := only("new")(n, form); r.status != 0 || n > 2 {
				return r
			}
			return refusal(400, "invalid_grant")
		}
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
		_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		wantError[*tokens.GrantEndedError](t, err)
		if _, err := k.AccessToken(t.Context(), w.pair(device+"2", -time.Minute)); err != nil {
			t.Error(err)
		}
		wantSent(t, w.lwa, "old", "new", "new")
	})
}

// One that hears of the refusal late finds that another has found the new secret.
func TestSecretFoundByAnotherIsTriedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := &vault{current: "old", versions: []string{"new"}}
		w.lwa.answer = func(n int, form url.Values) reply {
			r := only("new")(n, form)
			if n == 1 {
				r.delay = 5 * time.Second
			}
			return r
		}
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
		var wg sync.WaitGroup
		for i := range 2 {
			r := w.pair(fmt.Sprint(device, i), -time.Minute)
			wg.Go(func() {
				if _, err := k.AccessToken(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if v.reloads != 1 {
			t.Errorf("%d reloads, want 1", v.reloads)
		}
	})
}

// However many secrets there are to try, it ends within the lease.
func TestTryingSecretsEndsWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := &vault{current: "old", versions: []string{"new", "newer", "newest"}}
		w.lwa.answer = func(int, url.Values) reply {
			r := refusal(401, "invalid_client")
			r.delay = 9 * time.Second
			return r
		}
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
		start := time.Now()
		_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		wantError[*tokens.UnavailableError](t, err)
		if took := time.Since(start); took >= 20*time.Second {
			t.Errorf("it took %v, want less than the lease", took)
		}
	})
}
