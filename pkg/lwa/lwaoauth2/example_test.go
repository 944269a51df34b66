package lwaoauth2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/amazon"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwaoauth2"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// A library that wants an oauth2.TokenSource gets one that shares and renews its token.
func ExampleTokenSource() {
	srv, _ := lwatest.New(lwatest.Options{}) // the sandbox; in earnest c is a literal
	c := srv.Client()
	ctx := context.Background()
	api := &http.Client{Transport: &oauth2.Transport{
		Source: lwaoauth2.TokenSource(ctx, c.ClientCredentialsSource(lwa.ScopeAppSubmission)),
		Base:   srv.Transport(), // the sandbox's; leave it nil
	}}
	resp, err := api.Get("https://lwa.invalid/api/appstore/v1/applications")
	if err != nil {
		fmt.Println(lwa.Explain(err))
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// A token that x/oauth2 got and a program stored goes on in an lwa.TokenSource.
func ExampleFromToken() {
	var stored oauth2.Token
	_ = json.Unmarshal([]byte(`{"access_token":"Atza|…","refresh_token":"Atzr|…","expiry":"2026-01-08T13:00:00Z"}`), &stored)

	token := lwaoauth2.FromToken(&stored)
	fmt.Println(token, token.Refreshable()) // for c.RefreshSource(token)
	// Output: lwa.Token(expires 2026-01-08T13:00:00Z) true
}

// An oauth2.Config that refreshes, behind an lwa.TokenSource: each call gets a source of its own,
// the newest refresh token, and an end.
func ExampleFromToken_config() {
	srv, _ := lwatest.New(lwatest.Options{}) // the sandbox; in earnest there is none
	c := srv.Client()
	conf := &oauth2.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), RedirectURL: c.RedirectURL, Endpoint: amazon.Endpoint, Scopes: []string{"profile"}}
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams // trying out others would use up a code
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: srv.Transport()})

	back, err := srv.Visit(conf.AuthCodeURL("state"), lwatest.Visitor{})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := conf.Exchange(ctx, back.Query().Get("code"))
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &lwa.TokenSource{
		Initial: lwaoauth2.FromToken(token),
		Fetch: func(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
			next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: last.RefreshToken.Reveal()}).Token()
			return lwaoauth2.FromToken(next), err
		},
	}
	s.Reject(s.Initial.AccessToken) // an API has refused it
	next, err := s.Token(ctx)
	fmt.Println(next.Refreshable(), next.AccessToken.Equal(s.Initial.AccessToken), err)
	// Output: true false <nil>
}
