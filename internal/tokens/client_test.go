package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

func TestGrantOfAnotherClientIsRefreshedWithoutSecret(t *testing.T) {
	const app = "amzn1.application-oa2-client.app"
	for name, change := range map[string]func(*store.Registration){
		"an app's":        func(r *store.Registration) { r.ClientID, r.PublicClient = app, true },
		"ours, by a PKCE": func(r *store.Registration) { r.PublicClient = true },
		"unknown":         func(r *store.Registration) { r.ClientID = app },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				v := &vault{current: secret, versions: []string{secret}}
				k := w.keeper(func(k *tokens.Keeper) { k.Credentials = v })
				// Ours has been refreshed before, and its secret is remembered.
				if _, err := k.AccessToken(t.Context(), w.pair("first", -time.Minute)); err != nil {
					t.Fatal(err)
				}
				r := w.pair(device, -time.Minute, change)
				id := r.ClientID
				got, err := k.AccessToken(t.Context(), r)
				wantToken(t, got, err, "Atza|canary-2")
				form := w.lwa.call(2)
				if form.Get("client_id") != id || form.Has("client_secret") {
					t.Errorf("sent client %s, with secret: %v; want %s without", form.Get("client_id"), form.Has("client_secret"), id)
				}

				// Refused, it is no reason to doubt our secret, or to stop the others.
				w.lwa.answer = func(n int, form url.Values) reply {
					if form.Has("client_secret") {
						return token(n)
					}
					return refusal(401, "invalid_client")
				}
				_, err = k.AccessToken(t.Context(), w.pair(device+"2", -time.Minute, change))
				wantError[*tokens.CredentialsError](t, err)
				if r.PublicClient && v.reloads != 0 {
					t.Errorf("%d reloads, want 0", v.reloads)
				}
				asked := w.lwa.count()
				_, err = k.AccessToken(t.Context(), w.pair(device+"3", -time.Minute))
				if n := w.lwa.count() - asked; err != nil || n != 1 {
					t.Errorf("a device of ours: %v after %d calls, want nil after 1", err, n)
				}
			})
		})
	}
}

// A client that is refused doesn't hold up the sweep of the others: its devices are put
// to the end of the queue.
func TestDueDevicesOfARefusedClientAreMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lwa.answer = func(int, url.Values) reply { return refusal(401, "invalid_client") }
		k := w.keeper()
		for i := range 5 {
			name := fmt.Sprint(device, i)
			w.pair(name, 5*time.Minute, func(r *store.Registration) { r.DueAt = time.Now() })
			_, err := k.RefreshDue(t.Context(), name)
			wantError[*tokens.CredentialsError](t, err)
			if r := w.read(name); !r.DueAt.After(time.Now()) || r.Status != store.Active {
				t.Errorf("device %d is due %v, status %s; want later, active", i, r.DueAt, r.Status)
			}
		}
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA, want 1", n)
		}
	})
}

type brokenSource struct{ err error }

func (s brokenSource) Current(context.Context) (credentials.LWA, error) {
	return credentials.LWA{}, s.err
}
func (s brokenSource) Reload(context.Context) ([]credentials.LWA, error) { return nil, s.err }

func TestCredentialsCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		away := errors.New("secrets manager is away")
		k := w.keeper(func(k *tokens.Keeper) { k.Credentials = brokenSource{away} })
		_, before := w.store.counts()
		_, err := k.AccessToken(t.Context(), w.pair(device, -time.Minute))
		u := caught[*tokens.UnavailableError](t, err)
		if _, puts := w.store.counts(); !u.Outage || !errors.Is(err, away) || puts-before != 1 {
			t.Errorf("error = %+v after %d writes, want an outage and no lease", u, puts-before-1)
		}
	})
}
