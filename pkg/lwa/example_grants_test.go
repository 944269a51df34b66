package lwa_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// The App Submission API wants a token of the application itself.
func ExampleClient_ClientCredentials() {
	srv := sandbox()
	c := srv.Client() // has your client ID and secret, and Amazon's Endpoint

	token, err := c.ClientCredentials(context.Background(), lwa.ScopeAppSubmission)
	if err != nil {
		fmt.Println(lwa.Explain(err))
		return
	}
	fmt.Println(token, "for", token.Scope)

	c.ClientSecret = lwa.NewSecret("mistyped")
	_, err = c.ClientCredentials(context.Background(), lwa.ScopeAppSubmission)
	fmt.Println("wrong secret:", errors.Is(err, lwa.InvalidClient))
	// Output:
	// lwa.Token(expires 2026-01-08T13:00:00Z) for appstore::apps:readwrite
	// wrong secret: true
}

// A device without a browser shows a code, and waits until the customer has typed it in
// elsewhere.
func ExampleClient_AwaitCodePair() {
	srv := sandbox()
	c := srv.Client()
	c.Wait = func(_ context.Context, d time.Duration) error { // here the customer is quick; leave it nil
		srv.Clock().Advance(d)
		return nil
	}

	pair, err := c.CreateCodePair(context.Background(), lwa.CodePairRequest{Scopes: []string{lwa.ScopeProfile}})
	if err != nil {
		fmt.Println(lwa.Explain(err))
		return
	}
	fmt.Printf("go to %s and enter a code of %d letters\n", pair.VerificationURL, len(pair.UserCode))

	_ = srv.EnterCode(pair.UserCode, lwatest.Visitor{}) // the customer does, and agrees
	token, err := c.AwaitCodePair(context.Background(), pair)
	if err != nil {
		fmt.Println(lwa.Explain(err))
		return
	}
	fmt.Println("signed in, can be refreshed:", token.Refreshable())
	// Output:
	// go to http://lwa.invalid/us/code and enter a code of 6 letters
	// signed in, can be refreshed: true
}

// A program that has its own loop polls by itself.
func ExampleClient_PollCodePair() {
	srv := sandbox()
	c := srv.Client()
	pair, _ := c.CreateCodePair(context.Background(), lwa.CodePairRequest{Scopes: []string{lwa.ScopeProfile}})

	for _, customer := range []string{"thinks", "says no"} {
		if customer == "says no" {
			_ = srv.EnterCode(pair.UserCode, lwatest.Visitor{Deny: true})
		}
		srv.Clock().Advance(pair.Interval)
		_, err := c.PollCodePair(context.Background(), pair)
		after, again := lwa.Retry(err)
		fmt.Println(customer+":", errors.Is(err, lwa.AuthorizationPending), again, after)
	}
	// Output:
	// thinks: true true 30s
	// says no: false false 0s
}

func ExampleClient_Profile() {
	srv := sandbox()
	c := srv.Client()
	token := signIn(srv, "profile", "postal_code")

	p, err := c.Profile(context.Background(), token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name, p.PostalCode)
	fmt.Println(p) // a log learns less
	// Output:
	// Customer One 98101
	// lwa.Profile(amzn1.account.AEXAMPLEONE)
}

// A token that an app sends along proves who signed in only if it was issued to you.
func ExampleClient_VerifyToken() {
	srv := sandbox()
	token := signIn(srv, "profile")

	c := srv.Client()
	info, err := c.VerifyToken(context.Background(), token.AccessToken)
	fmt.Println(info.UserID, err)

	c.ClientID = "amzn1.application-oa2-client.ours"
	_, err = c.VerifyToken(context.Background(), token.AccessToken)
	var foreign *lwa.AudienceError
	fmt.Println(errors.As(err, &foreign))
	// Output:
	// amzn1.account.AEXAMPLEONE <nil>
	// true
}

// What the browser comes back with is anybody's until its state has been compared.
func ExampleReadRedirect() {
	srv := sandbox()
	page, _ := srv.Client().AuthCodeURL(lwa.AuthRequest{State: "of this session", Scopes: []string{lwa.ScopeProfile}})
	back, _ := srv.Visit(page, lwatest.Visitor{Deny: true}) // the customer presses Cancel

	_, err := lwa.ReadRedirect(back.Query(), "of this session")
	fmt.Println(errors.Is(err, lwa.AccessDenied))
	_, err = lwa.ReadRedirect(back.Query(), "of another session")
	fmt.Println(errors.Is(err, lwa.ErrState))
	// Output:
	// true
	// true
}

// One source for all callers of a customer's token, which stores each new one.
func ExampleClient_RefreshSource() {
	srv := sandbox()
	c := srv.Client()
	s := c.RefreshSource(signIn(srv, "profile"))
	s.Changed = func(_ context.Context, t *lwa.Token) error {
		fmt.Println("stored:", t) // your database: t.RefreshToken.Reveal(), sealed
		return nil
	}
	s.Failed = func(_ context.Context, err error) { fmt.Println("log:", lwa.Explain(err)) }

	token, _ := s.Token(context.Background())
	fmt.Println("used:", token)
	srv.Clock().Advance(time.Hour)
	token, _ = s.Token(context.Background())
	fmt.Println("used:", token)
	// Output:
	// used: lwa.Token(expires 2026-01-08T13:00:00Z)
	// stored: lwa.Token(expires 2026-01-08T14:00:00Z)
	// used: lwa.Token(expires 2026-01-08T14:00:00Z)
}

// A source of your own: one that reads the client secret again when Amazon refuses it, since
// an operator may have rotated it.
func ExampleTokenSource() {
	srv := sandbox()
	c := srv.Client()
	vault := c.ClientSecret // where the secret is kept
	c.ClientSecret = lwa.NewSecret("the one before")

	s := &lwa.TokenSource{
		Now: c.Now,
		Fetch: func(ctx context.Context, _ *lwa.Token) (*lwa.Token, error) {
			t, err := c.ClientCredentials(ctx, lwa.ScopeAppSubmission)
			if errors.Is(err, lwa.InvalidClient) && !c.ClientSecret.Equal(vault) {
				c.ClientSecret = vault // nobody else calls Fetch meanwhile
				t, err = c.ClientCredentials(ctx, lwa.ScopeAppSubmission)
			}
			return t, err
		},
	}
	token, err := s.Token(context.Background())
	fmt.Println(token, err)
	// Output: lwa.Token(expires 2026-01-08T13:00:00Z) <nil>
}

// A client of the App Submission API, whose token is fetched, kept and renewed.
func ExampleTransport() {
	srv := sandbox()
	c := srv.Client()
	api := &http.Client{Transport: &lwa.Transport{
		Source: c.ClientCredentialsSource(lwa.ScopeAppSubmission),
		Base:   srv.Transport(), // the sandbox's; leave it nil
	}}
	for range 2 {
		resp, err := api.Get("https://lwa.invalid/api/appstore/v1/applications")
		if err != nil {
			fmt.Println(lwa.Explain(err))
			return
		}
		var answer struct {
			Scopes []string `json:"scopes"`
		}
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode, answer.Scopes)
		_, _ = srv.Revoke(lwatest.Match{}) // the next call is refused, and repeated with a new token
		srv.Clock().Advance(31 * time.Second)
	}
	fmt.Println(srv.Calls(lwatest.RouteToken, "client_credentials"), "tokens fetched")
	// Output:
	// 200 [appstore::apps:readwrite]
	// 200 [appstore::apps:readwrite]
	// 2 tokens fetched
}

// The Selling Partner API wants the token in a header of its own; of a seller's authorization
// a program keeps the refresh token alone.
func ExampleTransport_sellingPartner() {
	srv := sandbox()
	c := srv.Client()
	stored := signIn(srv, lwa.ScopeProfile).RefreshToken
	api := &http.Client{Transport: &lwa.Transport{
		Source: c.RefreshSource(&lwa.Token{RefreshToken: stored}),
		Header: "x-amz-access-token",
		Base:   srv.Transport(), // the sandbox's; leave it nil
	}}
	resp, err := api.Get("https://lwa.invalid/user/profile") // which takes the same header
	if err != nil {
		fmt.Println(lwa.Explain(err))
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// An error pasted from a log.
func ExampleExplainText() {
	advice, known := lwa.ExplainText(`{"error_description":"The Content-Type is not supported by the authorization server", "error":"invalid_request"}`)
	fmt.Println(known, advice)
	// Output: true The Content-Type is none that the token endpoint takes: send application/x-www-form-urlencoded.
}

func ExampleExplain() {
	srv := sandbox()
	c := srv.Client()
	_, err := c.Exchange(context.Background(), "ANdNAVhyhqirUelHGEHA", lwa.Secret{}) // a code of long ago
	fmt.Println(lwa.Explain(err))
	// Output: The code is used, older than five minutes, or another client's. Start the sign-in again; a code works once, for five minutes, for the client and the redirect URL that it was issued for, and is not to be sent twice.
}

func ExampleRetry() {
	srv := sandbox()
	_ = srv.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled, RetryAfter: "20"})
	_, err := srv.Client().ClientCredentials(context.Background(), lwa.ScopeAppSubmission)
	after, again := lwa.Retry(err)
	fmt.Println(after, again)
	// Output: 20s true
}

func ExampleParseMarketplace() {
	m, _ := lwa.ParseMarketplace("A1PA6795UKMFR9")
	fmt.Println(m, m.Region(), m.Endpoint().AuthorizeURL)
	// Output: DE eu https://eu.account.amazon.com/ap/oa
}

// signIn has the sandbox's first customer sign in.
func signIn(srv *lwatest.Server, scopes ...string) *lwa.Token {
	c := srv.Client()
	page, err := c.AuthCodeURL(lwa.AuthRequest{State: "state", Scopes: scopes})
	if err != nil {
		panic(err)
	}
	back, err := srv.Visit(page, lwatest.Visitor{})
	if err != nil {
		panic(err)
	}
	token, err := c.Exchange(context.Background(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		panic(err)
	}
	return token
}
