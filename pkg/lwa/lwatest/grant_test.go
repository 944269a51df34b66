package lwatest_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestRotation(t *testing.T) {
	for _, tt := range []struct {
		rotation         lwatest.Rotation
		comes, same, old bool // a token comes back, it is the same, the old one works again
	}{
		{lwatest.Same, true, true, true},
		{lwatest.NewOldLives, true, false, true},
		{lwatest.NewOldDies, true, false, false},
		{lwatest.Withheld, false, false, true},
	} {
		t.Run(string(tt.rotation), func(t *testing.T) {
			srv := newServer(t, func(sw *lwatest.Switches) { sw.RefreshRotation = tt.rotation })
			first := paired(t, srv)
			old := first.str("refresh_token")
			second := wantTokens(t, post(t, srv, refreshForm(old)))
			if second.str("access_token") == first.str("access_token") {
				t.Error("the access token is the same")
			}
			got := second.str("refresh_token")
			if (got != "") != tt.comes || (got == old) != tt.same {
				t.Errorf("the refresh token comes: %t, is the same: %t", got != "", got == old)
			}
			if tt.comes {
				wantTokens(t, post(t, srv, refreshForm(got)))
			}
			if a := post(t, srv, refreshForm(old)); tt.old {
				wantTokens(t, a)
			} else {
				wantRefusal(t, a, 400, "invalid_grant", badRefresh)
			}
		})
	}
}

// TestParallelRefreshes: of two at a time with one refresh token, as many succeed as
// the rotation allows.
func TestParallelRefreshes(t *testing.T) {
	for rotation, want := range map[lwatest.Rotation]int{
		lwatest.Same: 8, lwatest.NewOldLives: 8, lwatest.Withheld: 8, lwatest.NewOldDies: 1,
	} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.RefreshRotation = rotation })
		token := paired(t, srv).str("refresh_token")
		var wg sync.WaitGroup
		statuses := make([]int, 8)
		for i := range statuses {
			wg.Go(func() { statuses[i] = post(t, srv, refreshForm(token)).Status })
		}
		wg.Wait()
		got := 0
		for _, s := range statuses {
			if s == 200 {
				got++
			}
		}
		if got != want {
			t.Errorf("with %s, %d of 8 refreshes succeeded, want %d", rotation, got, want)
		}
	}
}

func TestManyRotations(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.RefreshRotation = lwatest.NewOldLives })
	first := paired(t, srv).str("refresh_token")
	token := first
	for range 30 {
		token = wantTokens(t, post(t, srv, refreshForm(token))).str("refresh_token")
	}
	wantTokens(t, post(t, srv, refreshForm(token)))
	wantRefusal(t, post(t, srv, refreshForm(first)), 400, "invalid_grant", badRefresh) // there is a limit
}

func TestLookup(t *testing.T) {
	srv := newServer(t, nil)
	data := `{"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN+0001","is_test_device":"true","should_include_non_live":true}}`
	a := paired(t, srv, "scope_data", data)
	want := lwatest.Grant{
		Type: "authorization_code", ClientID: clientID, Customer: customerOne, Scopes: []string{"dash:replenish"}, ScopeData: json.RawMessage(data),
		DeviceModel: "ACME-VAC-1", Serial: "SN+0001", TestDevice: true, NonLive: true,
		At: noon, Exchanged: true, Expiry: noon.Add(time.Hour), Alive: true,
	}
	ignoreID := cmpopts.IgnoreFields(lwatest.Grant{}, "ID")
	got, ok := srv.Lookup(a.str("access_token"))
	if diff := cmp.Diff(want, got, ignoreID); diff != "" || !ok {
		t.Errorf("Lookup() = %t (-want +got):\n%s", ok, diff)
	}
	if diff := cmp.Diff([]lwatest.Grant{want}, srv.Grants(lwatest.Match{Customer: customerOne}), ignoreID); diff != "" {
		t.Errorf("Grants() (-want +got):\n%s", diff)
	}
	for _, unknown := range []string{"", "Atza|x", a.str("refresh_token")} {
		if g, ok := srv.Lookup(unknown); ok || g.ID != "" {
			t.Errorf("Lookup(%q) = %+v, %t, want nothing", unknown, g, ok)
		}
	}
	srv.Clock().Advance(time.Hour - time.Second)
	if _, ok := srv.Lookup(a.str("access_token")); !ok {
		t.Error("the token has stopped working before its hour was over")
	}
	srv.Clock().Advance(time.Second)
	if g, ok := srv.Lookup(a.str("access_token")); ok || g.Alive || g.Serial != "SN+0001" {
		t.Errorf("Lookup() after an hour = %+v, %t, want the grant, not alive", g, ok)
	}
}

func TestRevoke(t *testing.T) {
	var told []lwatest.Grant
	o := options()
	o.Revoked = func(g lwatest.Grant) { told = append(told, g) }
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	other := `{"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN2"}}`
	first, second := paired(t, srv), paired(t, srv, "scope_data", other)
	code := visit(t, srv, "scope", "dash:replenish", "scope_data", dashData).Get("code")

	ended, err := srv.Revoke(lwatest.Match{DeviceModel: "ACME-VAC-1", Serial: "SN+0001"})
	if err != nil || len(ended) != 2 || len(told) != 2 {
		t.Fatalf("Revoke() = %d grants, %v, %d told, want the 2 of the device", len(ended), err, len(told))
	}
	wantRefusal(t, post(t, srv, exchangeForm(code)), 400, "invalid_grant", badCode)
	wantRefusal(t, post(t, srv, refreshForm(first.str("refresh_token"))), 400, "invalid_grant", badRefresh)
	if g, ok := srv.Lookup(first.str("access_token")); ok || g.Alive || !g.Revoked.Equal(noon) {
		t.Errorf("Lookup() = %+v, %t, want it revoked at noon", g, ok)
	}
	wantTokens(t, post(t, srv, refreshForm(second.str("refresh_token"))))

	if ended, err := srv.Revoke(lwatest.Match{Customer: customerTwo}); err != nil || len(ended) != 0 {
		t.Errorf("Revoke(another customer) = %v, %v, want nothing", ended, err)
	}
	if ended, err := srv.Revoke(lwatest.Match{Customer: customerOne}); err != nil || len(ended) != 1 {
		t.Errorf("Revoke(customer) = %v, %v, want the 1 that lives", ended, err)
	}
	wantRefusal(t, post(t, srv, refreshForm(second.str("refresh_token"))), 400, "invalid_grant", badRefresh)
}

func TestSecretRotation(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("refresh_token")
	next, err := srv.RotateSecret(clientID, lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	works := func(secret string) bool {
		return post(t, srv, refreshForm(token, "client_secret", secret)).Status == 200
	}
	if !works(secret) || !works(next.Reveal()) {
		t.Error("the two secrets do not overlap")
	}
	if _, err := srv.Client().Refresh(t.Context(), lwa.NewSecret(token)); err != nil {
		t.Errorf("Client() does not have the new secret: %v", err)
	}
	srv.Clock().Advance(7*24*time.Hour - time.Second)
	if !works(secret) {
		t.Error("the old secret works for less than a week")
	}
	srv.Clock().Advance(time.Second)
	if works(secret) || !works(next.Reveal()) {
		t.Error("after a week, the old secret still works or the new one doesn't")
	}
	for _, id := range []string{publicID, "nobody"} {
		if _, err := srv.RotateSecret(id, lwa.Secret{}); err == nil {
			t.Errorf("RotateSecret(%s) worked", id)
		}
	}
}

// TestSecondRotation: a secret that is on its way out is not kept longer by the next
// rotation.
func TestSecondRotation(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("refresh_token")
	const day = 24 * time.Hour
	for range 2 {
		if _, err := srv.RotateSecret(clientID, lwa.Secret{}); err != nil {
			t.Fatal(err)
		}
		srv.Clock().Advance(3 * day)
	}
	wantTokens(t, post(t, srv, refreshForm(token)))
	srv.Clock().Advance(day)
	wantRefusal(t, post(t, srv, refreshForm(token)), 401, "invalid_client", badClient)
}

func TestRotationAtOnce(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.SecretOverlap = 0 })
	token := paired(t, srv).str("refresh_token")
	if _, err := srv.RotateSecret(clientID, lwa.NewSecret("the next one")); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, post(t, srv, refreshForm(token)), 401, "invalid_client", badClient)
	wantTokens(t, post(t, srv, refreshForm(token, "client_secret", "the next one")))
}

// TestBounds: a full server drops what can't be used any more, and nothing else.
func TestBounds(t *testing.T) {
	srv := newServer(t, nil)
	srv.SetLimits(3, 2)
	first := paired(t, srv)
	paired(t, srv)
	visit(t, srv)
	full, err := srv.Visit(page(), lwatest.Visitor{})
	if err != nil || full.Query().Get("error") != "temporarily_unavailable" {
		t.Errorf("a full server answered %v, %v, want temporarily_unavailable", full, err)
	}
	srv.Clock().Advance(6 * time.Minute) // the third grant's code dies
	if q := visit(t, srv); q.Get("code") == "" {
		t.Error("a spent grant was not dropped")
	}
	if n := len(srv.Grants(lwatest.Match{})); n != 3 {
		t.Errorf("%d grants are kept, want 3", n)
	}
	// Two access tokens are kept: the first grant's is gone once two newer ones came.
	for range 2 {
		wantTokens(t, post(t, srv, refreshForm(first.str("refresh_token"))))
	}
	if _, ok := srv.Lookup(first.str("access_token")); ok {
		t.Error("the oldest access token is still known")
	}
}

// TestCodesAreBounded: beyond the limit the oldest code dies, not the newest.
func TestCodesAreBounded(t *testing.T) {
	srv := newServer(t, nil)
	first, second := visit(t, srv).Get("code"), visit(t, srv).Get("code")
	var last string
	for range lwatest.MaxCodes - 1 {
		last = visit(t, srv).Get("code")
	}
	wantRefusal(t, post(t, srv, exchangeForm(first)), 400, "invalid_grant", badCode)
	wantTokens(t, post(t, srv, exchangeForm(second)))
	wantTokens(t, post(t, srv, exchangeForm(last)))
}
