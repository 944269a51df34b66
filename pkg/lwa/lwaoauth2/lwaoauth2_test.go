package lwaoauth2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/oauth2"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwaoauth2"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

var noon = time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)

func TestThereAndBack(t *testing.T) {
	token := &lwa.Token{
		AccessToken: lwa.NewSecret("Atza|access"), RefreshToken: lwa.NewSecret("Atzr|refresh"), TokenType: "bearer", Expiry: noon, Scope: "profile",
	}
	o := lwaoauth2.Token(token)
	want := (&oauth2.Token{AccessToken: "Atza|access", RefreshToken: "Atzr|refresh", TokenType: "bearer", Expiry: noon}).WithExtra(map[string]any{"scope": "profile"})
	if diff := cmp.Diff(want, o, cmpopts.IgnoreUnexported(oauth2.Token{})); diff != "" || o.Extra("scope") != "profile" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	back := lwaoauth2.FromToken(o)
	if !back.AccessToken.Equal(token.AccessToken) || !back.RefreshToken.Equal(token.RefreshToken) || back.Scope != "profile" || !back.Expiry.Equal(noon) {
		t.Errorf("back = %v", back)
	}
	if lwaoauth2.Token(nil) != nil || lwaoauth2.FromToken(nil) != nil {
		t.Error("something comes of nothing")
	}
	if o := lwaoauth2.Token(&lwa.Token{AccessToken: lwa.NewSecret("a")}); o.RefreshToken != "" || o.Extra("scope") != nil {
		t.Errorf("token = %+v, want no refresh token and no scope", o)
	}
}

func sandbox(t *testing.T) (*lwatest.Server, *lwa.Client) {
	t.Helper()
	srv, err := lwatest.New(lwatest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return srv, srv.Client()
}

func TestTokenSource(t *testing.T) {
	srv, c := sandbox(t)
	s := lwaoauth2.TokenSource(t.Context(), c.ClientCredentialsSource("appstore::apps:readwrite"))
	var first string
	for range 3 {
		token, err := s.Token()
		if err != nil || !token.Valid() || first != "" && token.AccessToken != first {
			t.Fatalf("Token() = %v", err)
		}
		first = token.AccessToken
	}
	if n := srv.Calls(lwatest.RouteToken, ""); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

// Both kinds of callers find the error that they know.
func TestTokenSourceRefused(t *testing.T) {
	_, c := sandbox(t)
	c.ClientSecret = lwa.NewSecret("canary-wrong-secret")
	_, err := lwaoauth2.TokenSource(t.Context(), c.ClientCredentialsSource("appstore::apps:readwrite")).Token()
	var theirs *oauth2.RetrieveError
	if !errors.Is(err, lwa.InvalidClient) || !errors.As(err, &theirs) || theirs.ErrorCode != "invalid_client" {
		t.Fatalf("error = %v, want invalid_client, as either package has it", err)
	}
	// What callers of x/oauth2 look at beside the code.
	if r := theirs.Response; r.StatusCode != http.StatusUnauthorized || r.Status != "401 Unauthorized" || r.Header.Get("x") != "" {
		t.Errorf("response = %+v, want 401 Unauthorized", r)
	} else if body, err := io.ReadAll(r.Body); len(body) != 0 || err != nil {
		t.Errorf("its body = %q, %v, want an empty one", body, err)
	}
	c.HTTPClient = &http.Client{Transport: nobody{}}
	if _, err := lwaoauth2.TokenSource(t.Context(), c.ClientCredentialsSource("x")).Token(); !errors.As(err, new(*lwa.TransportError)) {
		t.Errorf("error = %v, want a TransportError", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lwaoauth2.TokenSource(over, c.ClientCredentialsSource("x")).Token(); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
}

type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("nobody") }

type counting struct{ n int }

func (c *counting) Token() (*oauth2.Token, error) {
	c.n++
	if c.n > 1 {
		return nil, errors.New("no more")
	}
	return &oauth2.Token{AccessToken: fmt.Sprint("Atza|", c.n), Expiry: time.Now().Add(time.Hour)}, nil
}

func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lwaoauth2.Source(new(counting))
		for range 3 {
			if token, err := s.Token(t.Context()); err != nil || token.AccessToken.Reveal() != "Atza|1" {
				t.Errorf("Token() = %v, %v", token, err)
			}
		}
		time.Sleep(time.Hour)
		if _, err := s.Token(t.Context()); err == nil {
			t.Error("a token that has expired is handed out")
		}
	})
}
