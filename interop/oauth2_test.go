package interop_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/amazon"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// x is x/oauth2 with its own Amazon endpoint, as it comes.
func x(a *sandbox) (*oauth2.Config, context.Context) {
	me := a.Client()
	return &oauth2.Config{
		ClientID: me.ClientID, ClientSecret: me.ClientSecret.Reveal(), RedirectURL: me.RedirectURL,
		Endpoint: amazon.Endpoint, Scopes: []string{"profile"},
	}, context.WithValue(context.Background(), oauth2.HTTPClient, a.client())
}

func TestOAuth2(t *testing.T) {
	module(t, "golang.org/x/oauth2", "code, PKCE, refresh, client credentials; RFC 8628 is not Amazon's device grant")
	t.Run("code and refresh", oauth2Code)
	t.Run("PKCE without a secret", oauth2PKCE)
	t.Run("refusals", oauth2Refusals)
	t.Run("client credentials", oauth2ClientCredentials)
	t.Run("device", oauth2Device)
}

func oauth2Code(t *testing.T) {
	a := newSandbox(t)
	c, ctx := x(a)
	q := agree(t, a.Server, c.AuthCodeURL("the state"))
	if q.Get("state") != "the state" {
		t.Errorf("state = %q", q.Get("state"))
	}
	token, err := c.Exchange(ctx, q.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if !token.Valid() || token.RefreshToken == "" || token.Type() != "Bearer" || token.ExpiresIn != 3600 {
		t.Errorf("token: valid %t, type %s, expires in %d", token.Valid(), token.Type(), token.ExpiresIn)
	}
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	next, err := c.TokenSource(ctx, &old).Token()
	if err != nil {
		t.Fatal(err)
	}
	if next.AccessToken == token.AccessToken || next.RefreshToken != token.RefreshToken {
		t.Error("a refresh has to give another access token, and the same refresh token")
	}
	resp, err := c.Client(ctx, next).Get("https://api.amazon.com/user/profile")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the profile with the stranger's header: %d", resp.StatusCode)
	}
}

func oauth2PKCE(t *testing.T) {
	a := newSandbox(t)
	c, ctx := x(a)
	c.ClientSecret = ""
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	verifier := oauth2.GenerateVerifier()
	code := agree(t, a.Server, c.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))).Get("code")
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil || token.RefreshToken == "" {
		t.Fatalf("Exchange() = %v, want tokens for the verifier alone", err)
	}
	code = agree(t, a.Server, c.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))).Get("code")
	_, err = c.Exchange(ctx, code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	wantRetrieveError(t, err, 400, "unauthorized_client", "Not authorized for requested operation")
}

func oauth2Refusals(t *testing.T) {
	a := newSandbox(t)
	c, ctx := x(a)
	code := agree(t, a.Server, c.AuthCodeURL("s")).Get("code")
	token, err := c.Exchange(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exchange(ctx, code)
	wantRetrieveError(t, err, 400, "invalid_grant", "The request has an invalid grant parameter : code")
	if _, err := a.Revoke(lwatest.Match{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	wantRetrieveError(t, err, 400, "invalid_grant",
		"The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.")
	c.ClientSecret = "wrong"
	_, err = c.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	wantRetrieveError(t, err, 401, "invalid_client", "Client authentication failed")
}

func oauth2ClientCredentials(t *testing.T) {
	a := newSandbox(t)
	me := a.Client()
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, a.client())
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInParams, oauth2.AuthStyleInHeader, oauth2.AuthStyleAutoDetect} {
		c := &clientcredentials.Config{
			ClientID: me.ClientID, ClientSecret: me.ClientSecret.Reveal(), TokenURL: "https://api.amazon.com/auth/O2/token",
			Scopes: []string{"appstore::apps:readwrite"}, AuthStyle: style,
		}
		token, err := c.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token.AccessToken, "Atc|") || token.RefreshToken != "" || token.Extra("scope") != "appstore::apps:readwrite" {
			t.Errorf("token: refresh token %t, scope %v", token.RefreshToken != "", token.Extra("scope"))
		}
		resp, err := c.Client(ctx).Get("https://developer.amazon.com/api/appstore/v1/applications")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the API answered %d to the stranger's token", resp.StatusCode)
		}
	}
	_, err := (&clientcredentials.Config{
		ClientID: me.ClientID, ClientSecret: me.ClientSecret.Reveal(), TokenURL: "https://api.amazon.com/auth/o2/token", Scopes: []string{"x"},
	}).Token(ctx)
	wantRetrieveError(t, err, 400, "invalid_scope", "The request has an invalid parameter : scope")
}

// Amazon's device grant is older than RFC 8628. With its parameters added by hand the
// stranger gets a code pair, and there it ends: it polls with RFC 8628's grant type,
// which Amazon doesn't know, and gives no way to change it.
func oauth2Device(t *testing.T) {
	a := newSandbox(t)
	c, ctx := x(a)
	c.Endpoint.DeviceAuthURL = "https://api.amazon.com/auth/o2/create/codepair"
	_, err := c.DeviceAuth(ctx)
	wantRetrieveError(t, err, 400, "invalid_request", "The request is missing a required parameter : response_type")
	pair, err := c.DeviceAuth(ctx, oauth2.SetAuthURLParam("response_type", "device_code"))
	if err != nil {
		t.Fatal(err)
	}
	if pair.UserCode == "" || pair.DeviceCode == "" || pair.Interval != 30 || pair.VerificationURI != "https://api.amazon.com/us/code" {
		t.Errorf("code pair: %d s, %s", pair.Interval, pair.VerificationURI)
	}
	if err := a.EnterCode(pair.UserCode, lwatest.Visitor{}); err != nil {
		t.Fatal(err)
	}
	pair.Interval = 1 // the shortest that it can wait
	_, err = c.DeviceAccessToken(ctx, pair, oauth2.SetAuthURLParam("user_code", pair.UserCode))
	wantRetrieveError(t, err, 400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server")

	// With Amazon's grant type the same tokens are there for whoever asks.
	resp, err := a.client().PostForm("https://api.amazon.com/auth/o2/token", url.Values{
		"grant_type": {"device_code"}, "device_code": {pair.DeviceCode}, "user_code": {pair.UserCode},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the poll in Amazon's form: %d", resp.StatusCode)
	}
}

// wantRetrieveError wants the stranger to have understood a refusal.
func wantRetrieveError(t *testing.T, err error, status int, code, description string) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		t.Errorf("error = %v, want an *oauth2.RetrieveError", err)
		return
	}
	if refused.Response.StatusCode != status || refused.ErrorCode != code || refused.ErrorDescription != description {
		t.Errorf("error = %d %s: %s\nwant    %d %s: %s", refused.Response.StatusCode, refused.ErrorCode, refused.ErrorDescription, status, code, description)
	}
}
