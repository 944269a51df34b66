package lwa_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// sandbox stands in for Amazon in the examples. Its clock stands, so that they print the
// same every time.
func sandbox() *lwatest.Server {
	srv, err := lwatest.New(lwatest.Options{
		Clock: lwatest.NewStoppedClock(time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)),
	})
	if err != nil {
		panic(err)
	}
	return srv
}

func ExampleClient_AuthCodeURL() {
	c := &lwa.Client{
		ClientID:    "amzn1.application-oa2-client.0000",
		RedirectURL: "https://app.example.com/callback",
		Endpoint:    lwa.EU.Endpoint(),
	}
	page, err := c.AuthCodeURL(lwa.AuthRequest{
		State:  "an unpredictable value, kept in the session",
		Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{
			"dash:replenish": map[string]any{"device_model": "ACME-VAC-1", "serial": "SN0001"},
		},
		CodeChallenge: lwa.Challenge(lwa.NewSecret("5CFCAiZC0g0OA-jmBmmjTBZiyPCQsnq_2q5k9fD-aAY")),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(page)
	fmt.Println(u.Host + u.Path)
	fmt.Println(u.Query().Get("scope_data"))
	fmt.Println(u.Query().Get("code_challenge"))
	// Output:
	// eu.account.amazon.com/ap/oa
	// {"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN0001"}}
	// Fw7s3XHRVb2m1nT7s646UrYiYLMJ54as0ZIU_injyqw
}

// A server has a client secret and adds a verifier.
func ExampleClient_Exchange() {
	srv := sandbox()
	c := srv.Client()

	verifier := lwa.NewVerifier() // kept with the state until the customer is back
	page, _ := c.AuthCodeURL(lwa.AuthRequest{
		State: "state", Scopes: []string{lwa.ScopeProfile}, CodeChallenge: lwa.Challenge(verifier),
	})
	back, _ := srv.Visit(page, lwatest.Visitor{}) // the customer agrees

	token, err := c.Exchange(context.Background(), back.Query().Get("code"), verifier)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token)
	fmt.Println("can be refreshed:", token.Refreshable())
	// Output:
	// lwa.Token(expires 2026-01-08T13:00:00Z)
	// can be refreshed: true
}

// An application that can keep no secret proves itself with the verifier. Without
// either, Amazon gives an access token alone.
func ExampleClient_Exchange_withoutSecret() {
	srv := sandbox()
	c := srv.Client()
	c.ClientSecret = lwa.Secret{}

	for _, verifier := range []lwa.Secret{lwa.NewVerifier(), {}} {
		r := lwa.AuthRequest{State: "state", Scopes: []string{lwa.ScopeProfile}}
		if !verifier.IsZero() {
			r.CodeChallenge = lwa.Challenge(verifier)
		}
		page, _ := c.AuthCodeURL(r)
		back, _ := srv.Visit(page, lwatest.Visitor{})
		token, err := c.Exchange(context.Background(), back.Query().Get("code"), verifier)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("verifier:", verifier, "can be refreshed:", token.Refreshable())
	}
	// Output:
	// verifier: [redacted] can be refreshed: true
	// verifier: [empty] can be refreshed: false
}

func ExampleClient_Refresh() {
	srv := sandbox()
	c := srv.Client()
	page, _ := c.AuthCodeURL(lwa.AuthRequest{State: "state", Scopes: []string{lwa.ScopeProfile}})
	back, _ := srv.Visit(page, lwatest.Visitor{})
	token, _ := c.Exchange(context.Background(), back.Query().Get("code"), lwa.Secret{})

	srv.Clock().Advance(50 * time.Minute)
	token, err := c.Refresh(context.Background(), token.RefreshToken)
	fmt.Println(token, err)

	_, _ = srv.Revoke(lwatest.Match{}) // the customer withdraws consent
	_, err = c.Refresh(context.Background(), token.RefreshToken)
	if errors.Is(err, lwa.InvalidGrant) {
		fmt.Println("sign in again:", lwa.Explain(err))
	}
	// Output:
	// lwa.Token(expires 2026-01-08T13:50:00Z) <nil>
	// sign in again: The refresh token is over: the customer withdrew the consent (Your Account > Manage Login with Amazon), or the token belongs to another client, or was damaged where it is stored (quotes, a line break, %7C for |). Drop it, and have the customer sign in again.
}

func ExampleClient_TokenInfo() {
	srv := sandbox()
	c := srv.Client()
	page, _ := c.AuthCodeURL(lwa.AuthRequest{State: "state", Scopes: []string{lwa.ScopeProfile}})
	back, _ := srv.Visit(page, lwatest.Visitor{})
	token, _ := c.Exchange(context.Background(), back.Query().Get("code"), lwa.Secret{})

	info, err := c.TokenInfo(context.Background(), token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.UserID, info.ExpiresIn)
	// Output: amzn1.account.AEXAMPLEONE 1h0m0s
}

func ExampleError_Temporary() {
	srv := sandbox()
	c := srv.Client()
	_ = srv.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled, RetryAfter: "20"})

	_, err := c.Refresh(context.Background(), lwa.NewSecret("Atzr|…"))
	var refused *lwa.Error
	if errors.As(err, &refused) && refused.Temporary() {
		fmt.Println("again in", refused.RetryAfter)
	}
	// Output: again in 20s
}

func ExampleTransportError() {
	srv := sandbox()
	c := srv.Client()
	_ = srv.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.DropAfter})

	_, err := c.Exchange(context.Background(), "ANdNAVhyhqirUelHGEHA", lwa.Secret{})
	var unanswered *lwa.TransportError
	if errors.As(err, &unanswered) {
		fmt.Println("nobody knows whether the code is used up: sign in again")
	}
	// Output: nobody knows whether the code is used up: sign in again
}

func ExampleSecret() {
	s := lwa.NewSecret("amzn1.oa2-cs.v1.invented")
	fmt.Printf("%v %+v %#v %x\n", s, s, s, s)
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("starting", "secret", s)
	fmt.Println(s.Equal(lwa.NewSecret("amzn1.oa2-cs.v1.invented")))
	// Output:
	// [redacted] [redacted] [redacted] [redacted]
	// level=INFO msg=starting secret=[redacted]
	// true
}
