package lwatest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// What FIDELITY.md §17 calls unconfirmed can be set.
func TestSwitchedStatuses(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) {
		sw.UnsupportedGrantTypeStatus, sw.InvalidRequestStatus, sw.InsufficientScopeStatus, sw.ServerErrorStatus = 401, 422, 403, 502
	})
	token := paired(t, srv).str("access_token")
	if err := srv.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.ServerTrouble}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		a    answer
		want int
	}{
		{"ServerError", post(t, srv, refreshForm("x")), 502},
		{"unsupported_grant_type", post(t, srv, url.Values{"grant_type": {"password"}}), 401},
		{"invalid_request", post(t, srv, refreshForm("")), 422},
		{"insufficient_scope", get(t, srv, "/user/profile?access_token="+url.QueryEscape(token)), 403},
		{"invalid_grant, which was seen", post(t, srv, refreshForm("x")), 400},
	} {
		if tt.a.Status != tt.want {
			t.Errorf("%s = %d %s, want %d", tt.name, tt.a.Status, tt.a.Body, tt.want)
		}
	}
	for field, set := range map[string]func(*lwatest.Switches){
		"unsupported_grant_type_status": func(sw *lwatest.Switches) { sw.UnsupportedGrantTypeStatus = 200 },
		"invalid_request_status":        func(sw *lwatest.Switches) { sw.InvalidRequestStatus = 0 },
		"insufficient_scope_status":     func(sw *lwatest.Switches) { sw.InsufficientScopeStatus = 500 },
		"server_error_status":           func(sw *lwatest.Switches) { sw.ServerErrorStatus = 400 },
		"user_codes":                    func(sw *lwatest.Switches) { sw.UserCodes = "" },
		"expired_pair_error":            func(sw *lwatest.Switches) { sw.ExpiredPairError = "x" },
		"denied_pair_error":             func(sw *lwatest.Switches) { sw.DeniedPairError = "x" },
		"code_pair_life":                func(sw *lwatest.Switches) { sw.CodePairLife = 0 },
		"poll_interval":                 func(sw *lwatest.Switches) { sw.PollInterval = -1 },
		"refresh_life":                  func(sw *lwatest.Switches) { sw.RefreshLife = -1 },
	} {
		sw := srv.Switches()
		set(&sw)
		if err := srv.SetSwitches(sw); err == nil {
			t.Errorf("%s was taken", field)
		}
	}
}

// FIDELITY.md §11: refresh tokens of the Advertising API end 365 days after the consent.
func TestSwitchedRefreshLife(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.RefreshLife = lwatest.Duration(365 * 24 * time.Hour) })
	token := paired(t, srv).str("refresh_token")
	srv.Clock().Advance(365*24*time.Hour - time.Second)
	wantTokens(t, post(t, srv, refreshForm(token)))
	srv.Clock().Advance(time.Second)
	wantRefusal(t, post(t, srv, refreshForm(token)), 400, "invalid_grant", badRefresh)
}

// FIDELITY.md §1.
func TestCodeLifeSwitch(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.CodeLife = lwatest.Duration(time.Minute) })
	early, late := visit(t, srv).Get("code"), visit(t, srv).Get("code")
	srv.Clock().Advance(time.Minute - time.Second)
	wantTokens(t, post(t, srv, exchangeForm(early)))
	srv.Clock().Advance(time.Second)
	wantRefusal(t, post(t, srv, exchangeForm(late)), 400, "invalid_grant", badCode)
}

// FIDELITY.md §17: whether another access token ends the earlier ones.
func TestSwitchedOneAccessToken(t *testing.T) {
	for one, want := range map[bool]bool{false: true, true: false} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.OneAccessToken = one })
		first := paired(t, srv)
		next := wantTokens(t, post(t, srv, refreshForm(first.str("refresh_token"))))
		if _, ok := srv.Lookup(first.str("access_token")); ok != want {
			t.Errorf("with the switch at %t the first token works: %t", one, ok)
		}
		if _, ok := srv.Lookup(next.str("access_token")); !ok {
			t.Errorf("with the switch at %t the second token doesn't work", one)
		}
	}
}

// FIDELITY.md §17 and §6.2.
func TestSwitchedParamsAndScope(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.RepeatedParams, sw.ScopeAlways = true, true })
	v := exchangeForm(visit(t, srv).Get("code"))
	v.Add("client_id", otherID)
	if a := wantTokens(t, post(t, srv, v)); a.str("scope") != "profile" {
		t.Errorf("scope = %q, want profile", a.str("scope"))
	}
}
