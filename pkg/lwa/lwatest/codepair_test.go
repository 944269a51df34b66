package lwatest_test

import (
	"crypto/tls"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// pairForm is a good request for a code pair.
func pairForm(pairs ...string) url.Values {
	return with(url.Values{"response_type": {"device_code"}, "client_id": {clientID}, "scope": {"profile"}}, pairs...)
}

// ask asks for a code pair.
func ask(t testing.TB, srv *lwatest.Server, values url.Values) answer {
	t.Helper()
	return do(t, srv, request(t, "POST", "/auth/o2/create/codepair", form, values.Encode()))
}

// codePair gets a good one.
func codePair(t testing.TB, srv *lwatest.Server, pairs ...string) answer {
	t.Helper()
	a := ask(t, srv, pairForm(pairs...))
	if a.Status != 200 || a.str("device_code") == "" {
		t.Fatalf("answer = %d %s, want a code pair", a.Status, a.Body)
	}
	return a
}

// poll asks for the tokens, as Amazon has it: without a client.
func poll(t testing.TB, srv *lwatest.Server, pair answer, pairs ...string) answer {
	t.Helper()
	return post(t, srv, with(url.Values{
		"grant_type": {"device_code"}, "device_code": {pair.str("device_code")}, "user_code": {pair.str("user_code")},
	}, pairs...))
}

func wantError(t testing.TB, a answer, code string) {
	t.Helper()
	if a.Status != 400 || a.str("error") != code {
		t.Errorf("answer = %d %s, want 400 %s", a.Status, a.Body, code)
	}
}

// FIDELITY.md §8.1.
func TestCodePairAnswers(t *testing.T) {
	srv := newServer(t, nil)
	for _, path := range []string{"/auth/o2/create/codepair", "/auth/O2/create/codepair"} {
		a := do(t, srv, request(t, "POST", path, form, pairForm().Encode()))
		want := map[string]any{
			"user_code": a.str("user_code"), "device_code": a.str("device_code"),
			"verification_uri": "http://lwa.invalid/us/code", "expires_in": 600.0, "interval": 30.0,
		}
		if diff := cmp.Diff(want, a.JSON); a.Status != 200 || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", path, a.Status, diff)
		}
		if !regexp.MustCompile(`^[A-Z]{6}$`).MatchString(a.str("user_code")) || len(a.str("device_code")) < 10 {
			t.Errorf("codes = %q and %q, want six letters and something long", a.str("user_code"), a.str("device_code"))
		}
		if h := a.Header; h.Get("Content-Type") != "application/json;charset=UTF-8" || h.Get("x-amzn-RequestId") == "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("headers = %v", h)
		}
	}
	srv = newServer(t, func(sw *lwatest.Switches) {
		sw.UserCodes, sw.CodePairLife, sw.PollInterval = lwatest.Digits, lwatest.Duration(time.Minute), lwatest.Duration(time.Second)
	})
	a := codePair(t, srv)
	if !regexp.MustCompile(`^[0-9]{5}$`).MatchString(a.str("user_code")) || a.JSON["expires_in"] != 60.0 || a.JSON["interval"] != 1.0 {
		t.Errorf("answer = %s, want five digits, 60 and 1", a.Body)
	}
}

func TestVerificationURI(t *testing.T) {
	o := options()
	o.VerificationURI = "https://sandbox.example.com/us/code"
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := codePair(t, srv).str("verification_uri"); got != o.VerificationURI {
		t.Errorf("verification_uri = %q, want that of the options", got)
	}
	r := request(t, "POST", "/auth/o2/create/codepair", form, pairForm().Encode())
	r.Host, r.TLS = "lwa.example.com:8443", new(tls.ConnectionState)
	if got := do(t, newServer(t, nil), r).str("verification_uri"); got != "https://lwa.example.com:8443/us/code" {
		t.Errorf("verification_uri = %q, want the host that was asked", got)
	}
}

// FIDELITY.md §8.3.
func TestCodePairRefusals(t *testing.T) {
	o := options()
	o.Clients[1].GrantTypes = []string{"authorization_code"}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name              string
		form              url.Values
		code, description string
	}{
		{"no response type", pairForm("response_type", ""), "invalid_request", missing("response_type")},
		{"no client ID", pairForm("client_id", ""), "invalid_request", missing("client_id")},
		{"no scope", pairForm("scope", ""), "invalid_request", missing("scope")},
		{"another response type", pairForm("response_type", "code"), "invalid_request", invalid("response_type")},
		{"observed: braces around the client ID", pairForm("client_id", "{"+clientID+"}"), "InvalidValue", invalid("client_id")},
		{"not enabled for devices", pairForm("client_id", otherID), "unauthorized_client", notAuthorized},
		{"unknown scope", pairForm("scope", "nothing"), "invalid_scope", badScope},
		{"a client's own scope", pairForm("scope", appstoreScope), "invalid_scope", badScope},
		{"Alexa without scope data", pairForm("scope", "alexa:all"), "invalid_scope", "An unknown scope was requested"},
		{"scope data that is no JSON", pairForm("scope_data", "{"), "invalid_request", invalid("scope_data")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantRefusal(t, ask(t, srv, tt.form), 400, tt.code, tt.description)
		})
	}
	a := do(t, srv, request(t, "POST", "/auth/o2/create/codepair", "text/plain", pairForm().Encode()))
	wantRefusal(t, a, 400, "invalid_request", badContentType)
	if a := get(t, srv, "/auth/o2/create/codepair"); a.Status != 405 || a.Header.Get("Allow") != "POST" {
		t.Errorf("GET = %d, Allow %q, want 405 and POST", a.Status, a.Header.Get("Allow"))
	}
}

// FIDELITY.md §8.2 and §8.3: pending, slow_down, approved. And a refresh with the
// client ID alone, as Amazon's sample has it.
func TestDeviceGrant(t *testing.T) {
	var granted []lwatest.Grant
	o := options()
	o.Granted = func(g lwatest.Grant) { granted = append(granted, g) }
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	pair := codePair(t, srv, "scope", "dash:replenish", "scope_data", dashData)
	wantError(t, poll(t, srv, pair), "authorization_pending")
	srv.Clock().Advance(29 * time.Second)
	wantError(t, poll(t, srv, pair), "slow_down")
	srv.Clock().Advance(30 * time.Second)
	wantError(t, poll(t, srv, pair), "authorization_pending")
	typed := strings.ToLower(pair.str("user_code"))
	if err := srv.EnterCode(typed[:3]+" - "+typed[3:], lwatest.Visitor{Customer: customerTwo}); err != nil {
		t.Fatal(err)
	}
	tokens := wantTokens(t, poll(t, srv, pair)) // no slow_down once there is an answer
	if len(tokens.JSON) != 4 || !strings.HasPrefix(tokens.str("access_token"), "Atza|") || !strings.HasPrefix(tokens.str("refresh_token"), "Atzr|") {
		t.Errorf("answer = %s, want as of a code", tokens.Body)
	}
	wantError(t, poll(t, srv, pair), "invalid_code_pair")
	wantTokens(t, post(t, srv, refreshForm(tokens.str("refresh_token"), "client_secret", "")))

	g, ok := srv.Lookup(tokens.str("access_token"))
	if !ok || g.Type != "device_code" || g.Customer != customerTwo || g.ClientID != clientID || g.Serial != "SN+0001" {
		t.Errorf("Lookup() = %+v, %t", g, ok)
	}
	if len(granted) != 1 || granted[0].ID != g.ID {
		t.Errorf("told of %+v, want of the grant, once", granted)
	}
	if err := srv.EnterCode(typed, lwatest.Visitor{}); err == nil {
		t.Error("a code was taken that had been answered")
	}
}

// FIDELITY.md §8.3, and §17 for what isn't known.
func TestDeviceGrantRefusals(t *testing.T) {
	srv := newServer(t, nil)
	pair, other := codePair(t, srv), codePair(t, srv)
	wantRefusal(t, poll(t, srv, pair, "device_code", ""), 400, "invalid_request", missing("device_code"))
	wantRefusal(t, poll(t, srv, pair, "user_code", ""), 400, "invalid_request", missing("user_code"))
	wantError(t, poll(t, srv, pair, "device_code", "74tq5miHKB"), "invalid_code_pair")
	wantError(t, poll(t, srv, pair, "user_code", other.str("user_code")), "invalid_grant")
	wantError(t, poll(t, srv, pair, "client_id", publicID), "invalid_code_pair")
	wantRefusal(t, poll(t, srv, pair, "client_id", "nobody"), 401, "invalid_client", badClient)
	if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{Deny: true}); err != nil {
		t.Fatal(err)
	}
	wantError(t, poll(t, srv, pair), "access_denied")
	srv.Clock().Advance(10 * time.Minute)
	wantError(t, poll(t, srv, other), "invalid_code_pair")
	if err := srv.EnterCode(other.str("user_code"), lwatest.Visitor{}); err == nil {
		t.Error("an expired code was taken")
	}
	srv = newServer(t, func(sw *lwatest.Switches) {
		sw.ExpiredPairError, sw.DeniedPairError, sw.SlowDown = "expired_token", "invalid_code_pair", false
	})
	pair, other = codePair(t, srv), codePair(t, srv)
	wantError(t, poll(t, srv, pair), "authorization_pending")
	wantError(t, poll(t, srv, pair), "authorization_pending")
	if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{Deny: true}); err != nil {
		t.Fatal(err)
	}
	wantError(t, poll(t, srv, pair), "invalid_code_pair")
	srv.Clock().Advance(10 * time.Minute)
	wantError(t, poll(t, srv, other), "expired_token")
}

// Switches.Consent speaks for the customers of devices, too: nobody has to enter a code.
func TestDeviceGrantWithoutAPage(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Consent = lwatest.Allow })
	wantTokens(t, poll(t, srv, codePair(t, srv)))
	srv = newServer(t, func(sw *lwatest.Switches) { sw.Consent = lwatest.Deny })
	wantError(t, poll(t, srv, codePair(t, srv)), "access_denied")
}

// TestDeviceGrantSurvives: whatever a device has been told outlives a killed process.
func TestDeviceGrantSurvives(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	waiting, agreed, denied, used := codePair(t, srv), codePair(t, srv), codePair(t, srv), codePair(t, srv)
	for pair, v := range map[*answer]lwatest.Visitor{&agreed: {}, &denied: {Deny: true}, &used: {}} {
		if err := srv.EnterCode(pair.str("user_code"), v); err != nil {
			t.Fatal(err)
		}
	}
	wantTokens(t, poll(t, srv, used))

	srv = boot(t, d)
	wantError(t, poll(t, srv, waiting), "authorization_pending")
	wantTokens(t, poll(t, srv, agreed))
	wantError(t, poll(t, srv, denied), "access_denied")
	wantError(t, poll(t, srv, used), "invalid_code_pair")
	if err := srv.EnterCode(waiting.str("user_code"), lwatest.Visitor{}); err != nil {
		t.Error(err)
	}
	d.fail = errors.New("the disk is full")
	wantError(t, poll(t, srv, agreed), "invalid_code_pair")
	if a := poll(t, srv, waiting); a.Status != 500 {
		t.Errorf("answer = %d %s, want a failure where nothing can be kept", a.Status, a.Body)
	}
	d.fail = nil
	wantTokens(t, poll(t, srv, waiting))
	if _, err := srv.Revoke(lwatest.Match{Type: "device_code"}); err != nil {
		t.Fatal(err)
	}
	if n := len(srv.Grants(lwatest.Match{})); n != 3 {
		t.Errorf("%d grants, want 3", n)
	}
}

// Pairs that ended an hour ago are forgotten, by the store as well.
func TestCodePairsAreForgotten(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	for range 5 {
		codePair(t, srv)
		srv.Clock().Advance(time.Minute)
	}
	srv.Clock().Advance(2 * time.Hour)
	codePair(t, srv)
	last := codePair(t, srv)
	pairs := 0
	for key := range d.records {
		if strings.HasPrefix(key, "pair/") {
			pairs++
		}
	}
	if pairs != 2 {
		t.Errorf("%d pairs are kept, want the last two", pairs)
	}
	wantError(t, poll(t, srv, last), "authorization_pending")
}
