package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

func TestSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := &store.Registration{
			Thing: device, RefreshToken: "of another grant", LeaseOwner: "somebody", LeaseUntil: time.Now().Add(time.Minute),
			Failures: 3, NextAttempt: time.Now().Add(time.Minute), Status: store.Active,
		}
		expiry := time.Now().Add(time.Hour + 123456*time.Nanosecond)
		token := &lwa.Token{AccessToken: lwa.NewSecret(oldToken), RefreshToken: lwa.NewSecret(oldFresh), Expiry: expiry}
		if err := w.keeper().Seal(t.Context(), r, token); err != nil {
			t.Fatal(err)
		}
		wantNoCanary(t, fmt.Sprintf("%+v", r))
		access, err := w.ring.Open(device, seal.FieldAccessToken, r.AccessToken)
		if err != nil || access != oldToken {
			t.Errorf("access token = %q, %v, want %q", access, err, oldToken)
		}
		refresh, err := w.ring.Open(device, seal.FieldRefreshToken, r.RefreshToken)
		if err != nil || refresh != oldFresh {
			t.Errorf("refresh token = %q, %v, want %q", refresh, err, oldFresh)
		}
		if !r.Expiry.Equal(expiry.Truncate(time.Millisecond)) || r.Expiry.Location() != time.UTC {
			t.Errorf("expiry = %v, want %v in UTC to the millisecond", r.Expiry, expiry)
		}
		if r.LeaseOwner != "" || !r.LeaseUntil.IsZero() || r.Failures != 0 || !r.NextAttempt.IsZero() {
			t.Errorf("r = %+v, want no lease and no failures", r)
		}

		token.RefreshToken = lwa.Secret{}
		if err := w.keeper().Seal(t.Context(), r, token); err != nil {
			t.Fatal(err)
		}
		if r.Renewable() {
			t.Error("the refresh token of another grant is still there")
		}
	})
}

func TestShards(t *testing.T) {
	w := newWorld(t)
	r := &store.Registration{Thing: device}
	k := w.keeper(func(k *tokens.Keeper) { k.Shards = 3 })
	if err := k.Seal(t.Context(), r, &lwa.Token{AccessToken: lwa.NewSecret(oldToken), Expiry: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if r.DueShard != store.Shard(device, 3) {
		t.Errorf("shard = %q, want %q of 3", r.DueShard, store.Shard(device, 3))
	}
}

func TestSealedTokenDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.pair("another", time.Hour)
		k := w.keeper()
		// The text of another thing, of another field, and none at all.
		for i, text := range []string{other.AccessToken, w.pair(device, time.Hour).RefreshToken, "canary"} {
			r := w.pair(fmt.Sprint(device, i), time.Hour, func(r *store.Registration) { r.AccessToken = text })
			_, err := k.AccessToken(t.Context(), r)
			if e := caught[*tokens.SealError](t, err); e.Field != seal.FieldAccessToken || e.Thing != r.Thing || strings.Count(e.Error(), "opening access_token of "+r.Thing) != 1 {
				t.Errorf("error = %v, want one of %s of %s", e, seal.FieldAccessToken, r.Thing)
			}
		}
		r := w.pair(device+"r", -time.Minute, func(r *store.Registration) { r.RefreshToken, r.DueAt = "canary", time.Now() })
		_, err := k.AccessToken(t.Context(), r)
		wantError[*tokens.SealError](t, err)
		stored := w.read(r.Thing)
		if stored.Status != store.Active || !stored.DueAt.After(time.Now()) || stored.Failures != 1 || w.lwa.count() != 0 {
			t.Errorf("record = %s, due %v, %d failures; want active, later, 1", stored.Status, stored.DueAt, stored.Failures)
		}
	})
}

// unreadable is a key ring and credentials in a Secrets Manager that is down.
type unreadable struct{ credentials.Source }

func (unreadable) Ring(context.Context) (*seal.Ring, error) { return nil, errors.New("it is down") }

func (unreadable) Current(context.Context) (credentials.LWA, error) {
	return credentials.LWA{}, errors.New("it is down")
}

// Secrets Manager out of reach is no trouble of LWA's, and says nothing of the grant.
func TestSecretsCannotBeRead(t *testing.T) {
	for name, change := range map[string]func(*tokens.Keeper){
		"key ring":    func(k *tokens.Keeper) { k.Keys = unreadable{} },
		"credentials": func(k *tokens.Keeper) { k.Credentials = unreadable{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, err := w.keeper(change).AccessToken(t.Context(), w.pair(device, -time.Minute))
				wantError[*tokens.SecretsError](t, err)
				if e := caught[*tokens.UnavailableError](t, err); !e.Outage {
					t.Errorf("error = %v, want one for everybody", err)
				}
				if got := w.read(device); got.Status != store.Active || w.lwa.count() != 0 {
					t.Errorf("record = %s after %d calls of LWA, want active and none", got.Status, w.lwa.count())
				}
			})
		})
	}
}

// A new primary key gets to both tokens with the next refresh, so that the old key can go.
func TestRefreshSealsWithTheNewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.pair(device, -time.Minute)
		const k2 = `"k2":"two two two two two two two two two two two two"}`
		both := parseRing(t, `{"primary":"k2","k1":"one one one one one one one one one one one one",`+k2)
		k := w.keeper(func(k *tokens.Keeper) { k.Keys = seal.Static(both) })
		got, err := k.AccessToken(t.Context(), r)
		wantToken(t, got, err, "Atza|canary-1")
		w.ring = parseRing(t, `{"primary":"k2",`+k2)
		if access, refresh := w.opened(device); access != "Atza|canary-1" || refresh != oldFresh {
			t.Errorf("with the new key alone: %s, %s", access, refresh)
		}
	})
}
