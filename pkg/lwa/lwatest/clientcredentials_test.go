package lwatest_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const (
	appstoreScope  = "appstore::apps:readwrite"
	reportingScope = "adx_reporting::appstore:marketer"
	badScope       = "The request has an invalid parameter : scope"
)

// clientForm is a good request of a client for itself.
func clientForm(pairs ...string) url.Values {
	return with(url.Values{
		"grant_type": {"client_credentials"}, "scope": {appstoreScope}, "client_id": {clientID}, "client_secret": {secret},
	}, pairs...)
}

// FIDELITY.md §7.3.
func TestClientCredentials(t *testing.T) {
	srv := newServer(t, nil)
	for _, scope := range []string{
		appstoreScope, reportingScope, "messaging:push", "alexa::proactive_events", "alexa:skill_messaging",
		"sellingpartnerapi::notifications", "sellingpartnerapi::client_credential:rotation",
		appstoreScope + " " + reportingScope,
	} {
		a := wantTokens(t, post(t, srv, clientForm("scope", scope)))
		if len(a.JSON) != 4 || a.str("scope") != scope || a.str("token_type") != "bearer" || a.JSON["expires_in"] != 3600.0 {
			t.Errorf("answer = %s, want scope %s, bearer, 3600 and no refresh token", a.Body, scope)
		}
		if !regexp.MustCompile(`^Atc\|[A-Za-z0-9_-]{346,}$`).MatchString(a.str("access_token")) {
			t.Errorf("access_token = %s, want 350 characters that begin with Atc|", a.str("access_token"))
		}
		// The members are in the order of Amazon's sample.
		if !regexp.MustCompile(`^\{"access_token":"[^"]*","scope":"[^"]*","token_type":"bearer","expires_in":3600\}$`).MatchString(a.Body) {
			t.Errorf("answer = %s", a.Body)
		}
	}
}

// The four errors of the Appstore's pages, FIDELITY.md §9.1, to the letter, and
// what else can be wrong with such a request.
func TestClientCredentialsRefusals(t *testing.T) {
	o := options()
	o.Clients[0].OwnScopes = []string{appstoreScope, "example::of:another"}
	o.Clients[1].GrantTypes = []string{"authorization_code"}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, contentType string
		form              url.Values
		status            int
		body              string
	}{
		{
			"§9.1 invalid secret key", form, clientForm("client_secret", "wrong"), 401,
			`{"error_description":"Client authentication failed","error":"invalid_client"}`,
		},
		{
			"§9.1 invalid scope value", form, clientForm("scope", "appstore:apps:readwrite"), 400,
			`{"error_description":"The request has an invalid parameter : scope","error":"invalid_scope"}`,
		},
		{
			"§9.1 incorrect grant type", form, clientForm("grant_type", "client_credential"), 400,
			`{"error_description":"The authorization grant type is not supported by the authorization server","error":"unsupported_grant_type"}`,
		},
		{
			"§9.1 unsupported content type", "text/plain", clientForm(), 400,
			`{"error_description":"The Content-Type is not supported by the authorization server","error":"invalid_request"}`,
		},
		{
			"§7.3 a profile that isn't attached to the API", form, clientForm("scope", reportingScope), 400,
			`{"error_description":"The request has an invalid parameter : scope","error":"invalid_scope"}`,
		},
		{
			"§7.3 one scope of two", form, clientForm("scope", appstoreScope+" "+reportingScope), 400,
			`{"error_description":"The request has an invalid parameter : scope","error":"invalid_scope"}`,
		},
		{
			"§7.3 none for Dash", form, clientForm("scope", "dash:replenish"), 400,
			`{"error_description":"The request has an invalid parameter : scope","error":"invalid_scope"}`,
		},
		{
			"§16.2 no scope", form, clientForm("scope", ""), 400,
			`{"error_description":"The request is missing a required parameter : scope","error":"invalid_request"}`,
		},
		{
			"§16.2 no secret", form, clientForm("client_secret", ""), 401,
			`{"error_description":"Client authentication failed","error":"invalid_client"}`,
		},
		{
			"§7.3 a public client", form, clientForm("client_id", publicID, "client_secret", ""), 400,
			`{"error_description":"Not authorized for requested operation","error":"unauthorized_client"}`,
		},
		{
			"§9.1 not allowed this grant", form, clientForm("client_id", otherID, "client_secret", otherSecret), 400,
			`{"error_description":"Not authorized for requested operation","error":"unauthorized_client"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sw := srv.Switches()
			sw.OmitErrorIDs = true // the pages print none
			if err := srv.SetSwitches(sw); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/auth/o2/token", "/auth/O2/token"} {
				a := do(t, srv, request(t, "POST", path, tt.contentType, tt.form.Encode()))
				if a.Status != tt.status || a.Body != tt.body {
					t.Errorf("answer = %d %s\nwant     %d %s", a.Status, a.Body, tt.status, tt.body)
				}
			}
		})
	}
	wantTokens(t, post(t, srv, clientForm("scope", "example::of:another")))
}

// Appstore's page shows a JSON sample, which Amazon takes as JSON only (FIDELITY.md §6.1).
func TestClientCredentialsAsJSON(t *testing.T) {
	const body = `{"grant_type":"client_credentials","client_id":"` + clientID + `","client_secret":"` + secret + `","scope":"` + appstoreScope + `"}`
	srv := newServer(t, nil)
	wantTokens(t, do(t, srv, request(t, "POST", "/auth/o2/token", "application/json", body)))
	wantRefusal(t, do(t, srv, request(t, "POST", "/auth/o2/token", form, body)), 400, "unsupported_grant_type", badGrantType)
	list := strings.Replace(body, `"`+appstoreScope+`"`, `["`+appstoreScope+`","`+reportingScope+`"]`, 1)
	wantRefusal(t, do(t, srv, request(t, "POST", "/auth/o2/token", "application/json", list)), 400, "invalid_request", badScope)
	srv = newServer(t, func(sw *lwatest.Switches) { sw.JSONScopeLists = true })
	a := wantTokens(t, do(t, srv, request(t, "POST", "/auth/o2/token", "application/json", list)))
	if a.str("scope") != appstoreScope+" "+reportingScope {
		t.Errorf("scope = %q, want both", a.str("scope"))
	}
}

// A client has one grant for the same scopes, however often it asks.
func TestClientGrants(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	first := wantTokens(t, post(t, srv, clientForm())).str("access_token")
	second := wantTokens(t, post(t, srv, clientForm())).str("access_token")
	wantTokens(t, post(t, srv, clientForm("scope", reportingScope+" "+appstoreScope)))
	wantTokens(t, post(t, srv, clientForm("scope", appstoreScope+" "+reportingScope)))
	if first == second {
		t.Error("the same token came twice")
	}
	if got := srv.Grants(lwatest.Match{Type: "client_credentials"}); len(got) != 2 || got[0].Customer != "" || got[0].ClientID != clientID {
		t.Errorf("Grants() = %+v, want two, of no customer", got)
	}

	srv = boot(t, d)
	for _, token := range []string{first, second} {
		if g, ok := srv.Lookup(token); !ok || g.Type != "client_credentials" || g.Scopes[0] != appstoreScope {
			t.Errorf("Lookup() after a restart = %+v, %t", g, ok)
		}
	}
	wantTokens(t, post(t, srv, clientForm()))
	if n := len(srv.Grants(lwatest.Match{})); n != 2 {
		t.Errorf("%d grants after a restart, want 2", n)
	}
	if _, err := srv.Revoke(lwatest.Match{ClientID: clientID}); err != nil {
		t.Fatal(err)
	}
	if _, ok := srv.Lookup(first); ok {
		t.Error("the token of a revoked grant works")
	}
	again := wantTokens(t, post(t, srv, clientForm())).str("access_token")
	if g, ok := srv.Lookup(again); !ok || !g.Revoked.IsZero() {
		t.Errorf("Lookup() after a revocation = %+v, %t, want a new grant", g, ok)
	}
}

// Grants that have ended make room for those of clients, too.
func TestClientGrantsMakeRoom(t *testing.T) {
	srv := newServer(t, nil)
	srv.SetLimits(2, 100)
	wantTokens(t, post(t, srv, clientForm()))
	wantTokens(t, post(t, srv, clientForm("scope", reportingScope)))
	wantRefusal(t, post(t, srv, clientForm("scope", "messaging:push")), 503, "temporarily_unavailable", "The sandbox holds as many grants as it can")
	srv.Clock().Advance(time.Hour)
	wantTokens(t, post(t, srv, clientForm("scope", "messaging:push")))
	wantTokens(t, post(t, srv, clientForm()))
}

// What tokeninfo says of a client's own token is not known (FIDELITY.md §17): a switch.
func TestTokenInfoOfAClientsOwnToken(t *testing.T) {
	for refused, want := range map[bool]string{false: "", true: "invalid_token"} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.ClientTokenInfoRefused = refused })
		token := wantTokens(t, post(t, srv, clientForm())).str("access_token")
		a := get(t, srv, "/auth/o2/tokeninfo?access_token="+url.QueryEscape(token))
		if _, user := a.JSON["user_id"]; a.str("error") != want || user || want == "" && a.str("aud") != clientID {
			t.Errorf("tokeninfo with the switch at %t = %d %s", refused, a.Status, a.Body)
		}
	}
}

func TestClientsThatCannotBe(t *testing.T) {
	for want, c := range map[string]lwatest.Client{
		"is no scope":              {ID: "x", RedirectURLs: []string{redirectURL}, OwnScopes: []string{"two words"}},
		"a grant type must be one": {ID: "x", RedirectURLs: []string{redirectURL}, GrantTypes: []string{"implicit"}},
	} {
		if err := newServer(t, nil).AddClient(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("AddClient() = %v, want an error with %q", err, want)
		}
	}
}

// A client that may not use a grant type is told so wherever that begins (FIDELITY.md §9.1).
func TestGrantTypesOfAClient(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv).Get("code")
	if err := srv.AddClient(lwatest.Client{
		ID: clientID, Secret: lwa.NewSecret(secret), RedirectURLs: []string{redirectURL}, GrantTypes: []string{"client_credentials"},
	}); err != nil {
		t.Fatal(err)
	}
	back, err := srv.Visit(page(), lwatest.Visitor{})
	if err != nil || back.Query().Get("error") != "unauthorized_client" {
		t.Errorf("Visit() = %v, %v, want unauthorized_client", back, err)
	}
	wantRefusal(t, post(t, srv, exchangeForm(code)), 400, "unauthorized_client", notAuthorized)
	wantRefusal(t, ask(t, srv, pairForm()), 400, "unauthorized_client", notAuthorized)
	wantTokens(t, post(t, srv, clientForm()))
}
