package lwatest_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// answerCode posts to the page where customers enter user codes.
func answerCode(t testing.TB, srv *lwatest.Server, values url.Values) answer {
	t.Helper()
	return do(t, srv, request(t, "POST", "/us/code", form, values.Encode()))
}

// FIDELITY.md §8: the verification page.
func TestVerificationPage(t *testing.T) {
	srv := newServer(t, nil)
	pair := codePair(t, srv, "scope", "dash:replenish", "scope_data", dashData)
	if a := get(t, srv, "/us/code"); a.Status != 200 || !strings.Contains(a.Body, `name="user_code"`) {
		t.Fatalf("page = %d %s", a.Status, a.Body)
	}
	a := answerCode(t, srv, url.Values{"user_code": {"NOSUCH"}})
	if a.Status != 400 || !strings.Contains(a.Body, "not a code that a device shows now") || !strings.Contains(a.Body, `name="user_code"`) {
		t.Errorf("an unknown code: %d %s", a.Status, a.Body)
	}
	asked := answerCode(t, srv, url.Values{"user_code": {strings.ToLower(pair.str("user_code"))}})
	for _, want := range []string{"Allow Acme", "SN+0001", "ACME-VAC-1", "shows the code <strong>" + pair.str("user_code"), "Customer Two"} {
		if !strings.Contains(strings.ReplaceAll(asked.Body, "&#43;", "+"), want) {
			t.Errorf("the page does not show %q:\n%s", want, asked.Body)
		}
	}
	wantError(t, poll(t, srv, pair), "authorization_pending") // a page that was shown is no consent
	done := answerCode(t, srv, with(formOf(asked.Body), "customer", customerTwo, "decision", "allow"))
	if done.Status != 200 || !strings.Contains(done.Body, "Connected") {
		t.Errorf("after the answer: %d %s", done.Status, done.Body)
	}
	g, _ := srv.Lookup(wantTokens(t, poll(t, srv, pair)).str("access_token"))
	if g.Customer != customerTwo {
		t.Errorf("the grant is of %s, want of who was chosen", g.Customer)
	}
	if a := answerCode(t, srv, with(formOf(asked.Body), "decision", "allow")); a.Status != 400 {
		t.Errorf("a second answer: %d", a.Status)
	}
}

func TestVerificationPageDenies(t *testing.T) {
	srv := newServer(t, nil)
	pair := codePair(t, srv)
	asked := answerCode(t, srv, url.Values{"user_code": {pair.str("user_code")}})
	if a := answerCode(t, srv, with(formOf(asked.Body), "decision", "deny")); a.Status != 200 || !strings.Contains(a.Body, "Not connected") {
		t.Errorf("after the refusal: %d %s", a.Status, a.Body)
	}
	wantError(t, poll(t, srv, pair), "access_denied")
}

// Nobody can have an answer taken that the page has not asked for.
func TestVerificationPageIsSigned(t *testing.T) {
	srv := newServer(t, nil)
	pair, other := codePair(t, srv), codePair(t, srv)
	good := with(formOf(answerCode(t, srv, url.Values{"user_code": {pair.str("user_code")}}).Body), "decision", "allow")
	for name, bad := range map[string]url.Values{
		"another device":   with(good, "user_code", other.str("user_code")),
		"no signature":     with(good, "signature", ""),
		"a longer life":    with(good, "expires", "4102444800"),
		"no decision":      with(good, "decision", "maybe"),
		"another customer": with(good, "customer", "amzn1.account.NOBODY"),
	} {
		if a := answerCode(t, srv, bad); a.Status != 400 {
			t.Errorf("%s: %d, want 400", name, a.Status)
		}
	}
	wantError(t, poll(t, srv, other), "authorization_pending")
	srv.Clock().Advance(10*time.Minute - time.Second)
	if a := answerCode(t, srv, good); a.Status != 200 {
		t.Errorf("the answer at the last second: %d %s", a.Status, a.Body)
	}
}

// A customer who leaves out every voluntary scope has refused.
func TestVerificationPageVoluntaryScopes(t *testing.T) {
	srv := newServer(t, nil)
	data := `{"profile":{"essential":false},"postal_code":{"essential":false}}`
	for untick, want := range map[string]string{"postal_code": "profile", "profile postal_code": ""} {
		pair := codePair(t, srv, "scope", "profile postal_code", "scope_data", data)
		if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{Untick: strings.Fields(untick)}); err != nil {
			t.Fatal(err)
		}
		a := poll(t, srv, pair)
		if want == "" {
			wantError(t, a, "access_denied")
		} else if g, _ := srv.Lookup(wantTokens(t, a).str("access_token")); strings.Join(g.Scopes, " ") != want {
			t.Errorf("scopes = %v, want %s", g.Scopes, want)
		}
	}
}
