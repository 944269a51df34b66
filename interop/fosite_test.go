package interop_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"golang.org/x/crypto/bcrypt"

	"github.com/restock-dev/restock/pkg/lwa"
)

const fositeSecret = "a secret of the fosite client"

// fositeServer is fosite with everything switched on, at the paths that our client asks.
// Whoever opens the authorize page has agreed.
func fositeServer(t *testing.T) *lwa.Client {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(fositeSecret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	store := storage.NewMemoryStore()
	add := func(id string, public bool) {
		store.Clients[id] = &fosite.DefaultClient{
			ID: id, Secret: hash, Public: public, RedirectURIs: []string{"http://localhost:8080/callback"},
			ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
			Scopes: []string{"profile", "offline", "appstore::apps:readwrite"},
		}
	}
	add("confidential", false)
	add("public", true)
	config := &fosite.Config{GlobalSecret: make([]byte, 32), EnforcePKCEForPublicClients: true, ScopeStrategy: fosite.ExactScopeStrategy}
	provider := compose.ComposeAllEnabled(config, store, key)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /ap/oa", func(w http.ResponseWriter, r *http.Request) {
		ask, err := provider.NewAuthorizeRequest(r.Context(), r)
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, ask, err)
			return
		}
		for _, scope := range ask.GetRequestedScopes() {
			ask.GrantScope(scope)
		}
		answer, err := provider.NewAuthorizeResponse(r.Context(), ask, openid.NewDefaultSession())
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, ask, err)
			return
		}
		provider.WriteAuthorizeResponse(r.Context(), w, ask, answer)
	})
	mux.HandleFunc("POST /auth/o2/token", func(w http.ResponseWriter, r *http.Request) {
		ask, err := provider.NewAccessRequest(r.Context(), r, openid.NewDefaultSession())
		if err != nil {
			provider.WriteAccessError(r.Context(), w, ask, err)
			return
		}
		for _, scope := range ask.GetRequestedScopes() {
			ask.GrantScope(scope)
		}
		answer, err := provider.NewAccessResponse(r.Context(), ask)
		if err != nil {
			provider.WriteAccessError(r.Context(), w, ask, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), w, ask, answer)
	})
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		provider.WriteRevocationResponse(r.Context(), w, provider.NewRevocationRequest(r.Context(), r))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return &lwa.Client{
		ClientID: "confidential", ClientSecret: lwa.NewSecret(fositeSecret), RedirectURL: "http://localhost:8080/callback",
		Endpoint: lwa.Endpoint{AuthorizeURL: srv.URL + "/ap/oa", APIURL: srv.URL},
	}
}

// signIn sends a browser to a server that asks nobody, and returns the code.
func signIn(t *testing.T, c *lwa.Client, r lwa.AuthRequest) string {
	t.Helper()
	page, err := c.AuthCodeURL(r)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // which follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Query().Get("code") == "" || back.Query().Get("state") != r.State {
		t.Fatalf("the browser was sent to %v, %v", back, err)
	}
	return back.Query().Get("code")
}

func TestFosite(t *testing.T) {
	module(t, "github.com/ory/fosite", "our client: code with secret or PKCE, rotation, reuse, client credentials, revoked")
	ctx := t.Context()
	c := fositeServer(t)
	ask := lwa.AuthRequest{State: "a state of some length", Scopes: []string{"profile", "offline"}}

	// A code with the secret and a verifier; refresh tokens are rotated.
	verifier := lwa.NewVerifier()
	ask.CodeChallenge = lwa.Challenge(verifier)
	token, err := c.Exchange(ctx, signIn(t, c, ask), verifier)
	if err != nil || token.RefreshToken.IsZero() || token.Scope != "profile offline" {
		t.Fatalf("Exchange() = %v, %v", token, err)
	}
	next, err := c.Refresh(ctx, token.RefreshToken)
	if err != nil || next.RefreshToken.Equal(token.RefreshToken) || next.AccessToken.Equal(token.AccessToken) {
		t.Fatalf("Refresh() = %v, %v, want two other tokens", next, err)
	}
	// A refresh token that was used already ends the whole family there.
	_, err = c.Refresh(ctx, token.RefreshToken)
	wantCode(t, err, lwa.InvalidGrant, 400)
	_, err = c.Refresh(ctx, next.RefreshToken)
	wantCode(t, err, lwa.InvalidGrant, 400)

	// A public client with the verifier alone, and with another one.
	app := *c
	app.ClientID, app.ClientSecret = "public", lwa.Secret{}
	token, err = app.Exchange(ctx, signIn(t, &app, ask), verifier)
	if err != nil {
		t.Fatalf("Exchange() of a public client = %v", err)
	}
	_, err = app.Exchange(ctx, signIn(t, &app, ask), lwa.NewVerifier())
	wantCode(t, err, lwa.InvalidGrant, 400)

	// Revoked there, the refresh token says so here.
	resp, err := http.PostForm(c.Endpoint.APIURL+"/revoke", url.Values{"token": {token.RefreshToken.Reveal()}, "client_id": {"public"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the revocation was answered with %d", resp.StatusCode)
	}
	_, err = app.Refresh(ctx, token.RefreshToken)
	wantCode(t, err, lwa.InvalidGrant, 400)

	// For itself.
	own, err := c.ClientCredentials(ctx, "appstore::apps:readwrite")
	if err != nil || !own.RefreshToken.IsZero() || own.Scope != "appstore::apps:readwrite" {
		t.Errorf("ClientCredentials() = %v, %v", own, err)
	}
	_, err = c.ClientCredentials(ctx, "messaging:push")
	wantCode(t, err, lwa.InvalidScope, 400)
	wrong := *c
	wrong.ClientSecret = lwa.NewSecret("wrong")
	_, err = wrong.ClientCredentials(ctx, "appstore::apps:readwrite")
	wantCode(t, err, lwa.InvalidClient, 401)
}

// wantCode wants our client to have understood a stranger's refusal.
func wantCode(t *testing.T, err error, code lwa.Code, status int) {
	t.Helper()
	var refused *lwa.Error
	if !errors.Is(err, code) || !errors.As(err, &refused) || refused.StatusCode != status {
		t.Errorf("error = %v, want %d %s", err, status, code)
	}
}
