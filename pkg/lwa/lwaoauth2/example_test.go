package lwaoauth2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

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
