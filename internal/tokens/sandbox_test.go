package tokens_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// newSandbox makes a world whose LWA is the sandbox.
func newSandbox(t *testing.T, rotation lwatest.Rotation) (*world, *lwatest.Server) {
	t.Helper()
	switches := lwatest.DefaultSwitches()
	switches.RefreshRotation = rotation
	srv, err := lwatest.New(lwatest.Options{Switches: &switches})
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t), srv
}

// sandboxed makes a keeper that talks to srv.
func (w *world) sandboxed(srv *lwatest.Server, change ...func(*tokens.Keeper)) *tokens.Keeper {
	c := srv.Client()
	return w.keeper(append([]func(*tokens.Keeper){func(k *tokens.Keeper) {
		k.Credentials = credentials.Static(credentials.LWA{ClientID: c.ClientID, ClientSecret: c.ClientSecret})
		k.HTTPClient = &http.Client{Transport: srv.Transport()}
		k.Endpoint = func(lwa.Region) lwa.Endpoint { return srv.Endpoint() }
	}}, change...)...)
}

// signIn pairs a device with the sandbox's first customer.
func (w *world) signIn(srv *lwatest.Server, serial string) string {
	w.t.Helper()
	c := srv.Client()
	page, err := c.AuthCodeURL(lwa.AuthRequest{
		State: "s", Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{"dash:replenish": map[string]string{"device_model": "ACME-VAC-1", "serial": serial}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	back, err := srv.Visit(page, lwatest.Visitor{})
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := c.Exchange(w.t.Context(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		w.t.Fatal(err)
	}
	name := "ACME-VAC-1::" + serial
	w.pair(name, 0, func(r *store.Registration) {
		r.ClientID = c.ClientID
		w.seal(r, token)
	})
	return name
}

func TestSandboxStory(t *testing.T) {
	for _, rotation := range []lwatest.Rotation{lwatest.Same, lwatest.NewOldLives, lwatest.NewOldDies, lwatest.Withheld} {
		t.Run(string(rotation), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, srv := newSandbox(t, rotation)
				name := w.signIn(srv, "SN0001")
				k := w.sandboxed(srv)
				for range 5 {
					time.Sleep(61 * time.Minute)
					got, err := k.AccessToken(t.Context(), w.read(name))
					if g, _ := srv.Lookup(got.Reveal()); err != nil || !g.Alive {
						t.Fatalf("AccessToken() = a token that works: %v, %v", g.Alive, err)
					}
				}
				if n := srv.Calls(lwatest.RouteToken, "refresh_token"); n != 5 {
					t.Errorf("%d refreshes in five hours, want 5", n)
				}
				// The answer gets lost on the way, which in the mode where the old token
				// dies no client can survive.
				if rotation != lwatest.NewOldDies {
					time.Sleep(time.Hour)
					fault(t, srv, lwatest.DropAfter)
					_, err := k.AccessToken(t.Context(), w.read(name))
					wantError[*tokens.UnavailableError](t, err)
					time.Sleep(time.Minute)
					if _, err := k.AccessToken(t.Context(), w.read(name)); err != nil {
						t.Errorf("after a lost answer: %v", err)
					}
				}
				if _, err := srv.Revoke(lwatest.Match{Serial: "SN0001"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				_, err := k.AccessToken(t.Context(), w.read(name))
				wantError[*tokens.GrantEndedError](t, err)
				if w.hooks() != 1 {
					t.Errorf("%d ends told, want 1", w.hooks())
				}
			})
		})
	}
}

func fault(t *testing.T, srv *lwatest.Server, kind lwatest.Kind) {
	t.Helper()
	f := lwatest.Fault{Route: lwatest.RouteToken, Kind: kind}
	if kind == lwatest.Slow {
		f.Delay = lwatest.Duration(8 * time.Second)
	}
	if err := srv.Script(f); err != nil {
		t.Error(err)
	}
}

func TestSecretIsRotatedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, srv := newSandbox(t, lwatest.Same)
		name := w.signIn(srv, "SN0001")
		id := srv.Client().ClientID
		v := &sandboxVault{current: srv.Client().ClientSecret, id: id}
		k := w.sandboxed(srv, func(k *tokens.Keeper) { k.Credentials = v })
		next, err := srv.RotateSecret(id, lwa.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		v.next = next
		for day := range 9 { // the old secret works for seven more
			time.Sleep(24 * time.Hour)
			if _, err := k.AccessToken(t.Context(), w.read(name)); err != nil {
				t.Errorf("day %d: %v", day, err)
			}
		}
		if v.reloads != 1 {
			t.Errorf("%d reloads, want 1", v.reloads)
		}
	})
}

type sandboxVault struct {
	id            string
	current, next lwa.Secret
	reloads       int
}

func (v *sandboxVault) Current(context.Context) (credentials.LWA, error) {
	return credentials.LWA{ClientID: v.id, ClientSecret: v.current}, nil
}

func (v *sandboxVault) Reload(context.Context) ([]credentials.LWA, error) {
	v.reloads++
	return []credentials.LWA{{ClientID: v.id, ClientSecret: v.current}, {ClientID: v.id, ClientSecret: v.next}}, nil
}
