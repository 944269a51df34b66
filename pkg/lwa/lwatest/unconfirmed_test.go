package lwatest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// FIDELITY.md §17: which of two access tokens is meant is not guessed.
func TestAccessTokenSentTwice(t *testing.T) {
	for taken, want := range map[bool]int{false: 400, true: 200} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.RepeatedParams = taken })
		code := visit(t, srv).Get("code")
		token := url.QueryEscape(wantTokens(t, post(t, srv, exchangeForm(code))).str("access_token"))
		for _, path := range []string{"/auth/o2/tokeninfo", "/user/profile"} {
			a := get(t, srv, path+"?access_token="+token+"&access_token=other")
			if a.Status != want || !taken && a.str("error_description") != invalid("access_token") {
				t.Errorf("%s with two tokens = %d %s, want %d", path, a.Status, a.Body, want)
			}
		}
	}
}

// FIDELITY.md §7.1: some libraries write a client_secret always, an empty one for a client without.
func TestEmptySecretOfAPublicClient(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv, "client_id", publicID, "code_challenge", challenge, "code_challenge_method", "S256").Get("code")
	v := exchangeForm(code, "client_id", publicID, "code_verifier", verifier)
	v.Set("client_secret", "")
	token := wantTokens(t, post(t, srv, v)).str("refresh_token")
	v = refreshForm(token, "client_id", publicID)
	v.Set("client_secret", "")
	wantTokens(t, post(t, srv, v))
}

// FIDELITY.md §5: whether Amazon minds how long a verifier is.
func TestVerifierLengthSwitch(t *testing.T) {
	short := verifier[:8]
	for _, method := range []string{"S256", "plain"} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.AnyVerifierLength = true })
		asked := short
		if method == "S256" {
			asked = lwa.Challenge(lwa.NewSecret(short))
		}
		for brought, works := range map[string]bool{short: true, short + "x": false, "": false} {
			code := visit(t, srv, "code_challenge", asked, "code_challenge_method", method).Get("code")
			a := post(t, srv, exchangeForm(code, "code_verifier", brought))
			if works {
				wantTokens(t, a)
			} else {
				wantRefusal(t, a, 400, "unauthorized_client", notAuthorized)
			}
		}
	}
}

// FIDELITY.md §4.3: for some clients an unknown scope has been seen to get the page.
func TestUnknownScopePageSwitch(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.UnknownScopePage = true })
	a := get(t, srv, target("scope", "unknown"))
	if a.Status != 400 || a.Header.Get("Location") != "" || !strings.Contains(a.Body, "An unknown scope was requested") {
		t.Errorf("an unknown scope = %d to %q, want the page", a.Status, a.Header.Get("Location"))
	}
	if a := get(t, srv, target("response_type", "token")); a.Status != http.StatusFound {
		t.Errorf("another error = %d, want the redirect", a.Status)
	}
}

// FIDELITY.md §6.1: whether credentials in the header are percent-encoded, as RFC 6749 §2.3.1 has it.
func TestBasicEncodingSwitch(t *testing.T) {
	const odd = "a+b/c d"
	for encoded, key := range map[bool]string{false: odd, true: url.QueryEscape(odd)} {
		o := options()
		o.Clients[0].Secret = lwa.NewSecret(odd)
		sw := lwatest.DefaultSwitches()
		sw.BasicEncoded = encoded
		o.Switches = &sw
		srv, err := lwatest.New(o)
		if err != nil {
			t.Fatal(err)
		}
		for sent, works := range map[string]bool{key: true, odd: !encoded, url.QueryEscape(odd): encoded, "%zz": false} {
			r := request(t, "POST", "/auth/o2/token", form, clientForm("client_id", "", "client_secret", "").Encode())
			r.SetBasicAuth(clientID, sent)
			if a := do(t, srv, r); (a.Status == 200) != works {
				t.Errorf("with the switch at %t, %q = %d, want it to work: %t", encoded, sent, a.Status, works)
			}
		}
	}
}

// FIDELITY.md §17: whether a page may send a token in a header, which browsers ask about first.
func TestPreflightSwitch(t *testing.T) {
	ask := func(srv *lwatest.Server, path, origin string) answer {
		r := request(t, "OPTIONS", path, "", "")
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "authorization,x-amz-access-token")
		return do(t, srv, r)
	}
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Preflight = true })
	for _, path := range []string{"/auth/O2/token", "/auth/o2/tokeninfo", "/user/profile"} {
		a := ask(srv, path, site)
		if h := a.Header; a.Status != http.StatusOK || h.Get("Access-Control-Allow-Origin") != site ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("%s = %d %v, want leave", path, a.Status, a.Header)
		}
		if a := ask(srv, path, "https://elsewhere.example"); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s lets any page in", path)
		}
	}
	r := request(t, "GET", "/user/profile", "", "")
	r.Header.Set("Origin", site)
	if h := do(t, srv, r).Header; h.Get("Access-Control-Allow-Origin") != site || h.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("a request that asks for no leave is answered with %v", h)
	}
	if a := ask(srv, "/auth/o2/create/codepair", site); a.Status != 405 {
		t.Errorf("codepair = %d, want 405: devices have no pages", a.Status)
	}
	if a := ask(newServer(t, nil), "/user/profile", site); a.Status != 405 {
		t.Errorf("with the switch at false = %d, want 405", a.Status)
	}
}

// FIDELITY.md §17: parameters that nobody has documented, or that only one page lists, change nothing.
func TestUndocumentedParameters(t *testing.T) {
	srv := newServer(t, nil)
	long := strings.Repeat("s\u00e9 &|", 400)
	q := visit(t, srv, "language", "ja", "ui_locales", "xx", "region", "nowhere", "state", long)
	if q.Get("state") != long {
		t.Error("a long state did not come back as it was")
	}
	token := wantTokens(t, post(t, srv, exchangeForm(q.Get("code")))).str("refresh_token")
	wantTokens(t, post(t, srv, refreshForm(token, "redirect_uri", "https://elsewhere.example/", "scope", "postal_code")))
}
