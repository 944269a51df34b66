package lwatest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// A challenge of the method S256 is the hash of something: other text can't be.
func TestHashedChallenge(t *testing.T) {
	srv := newServer(t, allowing)
	for _, bad := range []string{challenge + "A", challenge[1:], challenge[1:] + "~", strings.Repeat("A", 128)} {
		a := get(t, srv, target("code_challenge", bad, "code_challenge_method", "S256"))
		if to := a.Header.Get("Location"); !strings.Contains(to, "error=invalid_request") || !strings.Contains(to, "code_challenge") {
			t.Errorf("the challenge %s led to %s", bad, to)
		}
	}
}

// A customer who unticks all there is has refused.
func TestNothingIsGranted(t *testing.T) {
	srv := newServer(t, nil)
	back, err := srv.Visit(page("scope", "profile", "scope_data", `{"profile":{"essential":false}}`), lwatest.Visitor{Untick: []string{"profile"}})
	if err != nil || back.Query().Get("error") != "access_denied" || back.Query().Has("code") {
		t.Errorf("the browser came back with %v, %v, want access_denied", back.Query(), err)
	}
	if got := srv.Grants(lwatest.Match{}); len(got) != 0 {
		t.Errorf("there are %d grants", len(got))
	}
}

// A client that forgot its secret can bring the code again with it.
func TestForgottenSecret(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.ExchangeWithoutProof = false })
	code := visit(t, srv).Get("code")
	wantRefusal(t, post(t, srv, exchangeForm(code, "client_secret", "")), 401, "invalid_client", badClient)
	wantTokens(t, post(t, srv, exchangeForm(code)))
}

// A customer who withdraws before the device has polled has withdrawn.
func TestRevokedBeforeThePoll(t *testing.T) {
	srv := newServer(t, nil)
	pair := codePair(t, srv)
	if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{}); err != nil {
		t.Fatal(err)
	}
	if ended, err := srv.Revoke(lwatest.Match{}); err != nil || len(ended) != 1 {
		t.Fatalf("Revoke() = %v, %v", ended, err)
	}
	if a := poll(t, srv, pair); a.Status != 400 || a.str("error") != string(lwa.InvalidCodePair) {
		t.Errorf("the poll = %d %s, want invalid_code_pair", a.Status, a.Body)
	}
}

// Bounds hold to the character.
func TestLengths(t *testing.T) {
	srv := newServer(t, nil)
	for n, fits := range map[int]bool{100: true, 101: false} {
		if err := srv.AddCustomer(lwatest.Customer{UserID: "amzn1.account." + strings.Repeat("A", n)}); (err == nil) != fits {
			t.Errorf("a user ID with %d characters of its own: %v", n, err)
		}
	}
	app := lwatest.Client{ID: "app", RedirectURLs: []string{redirectURL}}
	for n, fits := range map[int]bool{200: true, 201: false} {
		app.OwnScopes = []string{strings.Repeat("s", n)}
		if err := srv.AddClient(app); (err == nil) != fits {
			t.Errorf("a scope of %d characters: %v", n, err)
		}
	}
	app.OwnScopes = nil
	for i := range 1000 - 4 { // app is there, and three more
		app.ID = fmt.Sprint("app", i)
		if err := srv.AddClient(app); err != nil {
			t.Fatalf("client %d: %v", i+5, err)
		}
	}
	if err := srv.AddClient(app); err != nil {
		t.Errorf("a client that is there already: %v", err)
	}
	app.ID = "onetoomany"
	if err := srv.AddClient(app); err == nil {
		t.Error("there is no bound on clients")
	}
	for n, status := range map[int]int{8 << 10: 400, 8<<10 + 1: 413} {
		query := "access_token=" + strings.Repeat("x", n-len("access_token="))
		if a := get(t, srv, "/auth/o2/tokeninfo?"+query); a.Status != status {
			t.Errorf("a query of %d bytes = %d, want %d", n, a.Status, status)
		}
	}
}

// The journal repeats no method that HTTP doesn't have: it may be a secret in its place.
func TestJournalOfAnUnknownMethod(t *testing.T) {
	srv := newServer(t, nil)
	if a := do(t, srv, request(t, "CANARY", "/auth/o2/token", "", "")); a.Status != 405 {
		t.Errorf("answer = %d, want 405", a.Status)
	}
	if e := srv.Journal()[0]; e.Method != "(unknown)" {
		t.Errorf("the journal says %q", e.Method)
	}
}

// A secret that was rotated before a restart is known by its hash alone: no client is
// handed the one before it.
func TestClientAfterARestart(t *testing.T) {
	for rotated, want := range map[bool]string{false: secret, true: ""} {
		srv := newServer(t, nil)
		if rotated {
			if _, err := srv.RotateSecret(clientID, lwa.Secret{}); err != nil {
				t.Fatal(err)
			}
		}
		records, err := srv.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		again := newServer(t, nil)
		if err := again.Restore(records); err != nil {
			t.Fatal(err)
		}
		if c := again.Client(); !c.ClientSecret.Equal(lwa.NewSecret(want)) {
			t.Errorf("rotated %t: the client has another secret than %q", rotated, want)
		}
	}
}
