package lwatest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// FIDELITY.md §9.2: the Appstore's APIs answer 403 and "Request is not authorized." to an
// expired token.
func TestAppstoreAPI(t *testing.T) {
	srv := newServer(t, nil)
	call := func(method, authorization string) answer {
		r := request(t, method, "/api/appstore/v1/applications/"+secret, "", "")
		r.Header.Set("Authorization", authorization)
		return do(t, srv, r)
	}
	token := wantTokens(t, post(t, srv, clientForm())).str("access_token")
	reporting := wantTokens(t, post(t, srv, clientForm("scope", reportingScope))).str("access_token")
	for _, authorization := range []string{"Bearer " + token, "bearer " + token, "Bearer " + reporting} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if a := call(method, authorization); a.Status != 200 || a.str("client_id") != clientID {
				t.Errorf("%s = %d %s, want 200 and whose the token is", method, a.Status, a.Body)
			}
		}
	}
	other := wantTokens(t, post(t, srv, clientForm("scope", "messaging:push"))).str("access_token")
	customer := paired(t, srv).str("access_token")
	refused := func(name, authorization string) {
		t.Helper()
		if a := call("GET", authorization); a.Status != 403 || a.Body != `{"message":"Request is not authorized."}` {
			t.Errorf("%s = %d %s, want 403", name, a.Status, a.Body)
		}
	}
	refused("no token", "")
	refused("another scheme", "Basic "+token)
	refused("another scope", "Bearer "+other)
	refused("a customer's token", "Bearer "+customer)
	srv.Clock().Advance(time.Hour)
	refused("an expired token", "Bearer "+token)
	if e := srv.Journal()[0]; e.Route != lwatest.RouteToken {
		t.Errorf("journal begins with %+v", e)
	}
	if n := srv.Calls(lwatest.RouteAppstore, ""); n != 14 {
		t.Errorf("Calls(appstore) = %d, want 14", n)
	}
}

func TestRequireToken(t *testing.T) {
	srv := newServer(t, nil)
	api := srv.RequireToken("profile", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	token := wantTokens(t, post(t, srv, exchangeForm(visit(t, srv).Get("code")))).str("access_token")
	status := func(token string) (int, string) {
		w, r := httptest.NewRecorder(), request(t, "GET", "/anything", "", "")
		r.Header.Set("Authorization", "Bearer "+token)
		api.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if got, _ := status(token); got != http.StatusTeapot {
		t.Errorf("with a good token: %d, want what the API answers", got)
	}
	if got, body := status(paired(t, srv).str("access_token")); got != 403 || body != `{"message":"Request is not authorized."}` {
		t.Errorf("with another scope: %d %s, want 403", got, body)
	}
	if _, err := srv.Revoke(lwatest.Match{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := status(token); got != 403 {
		t.Errorf("after the grant ended: %d, want 403", got)
	}
}
