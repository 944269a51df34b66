package lwatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// example returns a server whose clock stands at noon, so that it prints the same every
// time. In a test that would be NewServer(t, lwatest.Options{}).
func example() *lwatest.Server {
	srv, err := lwatest.New(lwatest.Options{Clock: lwatest.NewStoppedClock(noon)})
	if err != nil {
		panic(err)
	}
	return srv
}

// signIn has the customer agree to a device and returns the tokens.
func signIn(srv *lwatest.Server) *lwa.Token {
	client := srv.Client()
	page, err := client.AuthCodeURL(lwa.AuthRequest{
		State:  "state",
		Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{
			"dash:replenish": map[string]any{"device_model": "ACME-VAC-1", "serial": "SN0001"},
		},
	})
	if err != nil {
		panic(err)
	}
	back, err := srv.Visit(page, lwatest.Visitor{})
	if err != nil {
		panic(err)
	}
	token, err := client.Exchange(context.Background(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		panic(err)
	}
	return token
}

func Example() {
	srv := example()
	token := signIn(srv)
	fmt.Println(token)

	srv.Clock().Advance(time.Hour)
	_, err := srv.Client().TokenInfo(context.Background(), token.AccessToken)
	fmt.Println(err != nil)

	for _, e := range srv.Journal() {
		fmt.Println(e.Seq, e.At.Format(time.TimeOnly), e.Route, e.GrantType, e.Outcome)
	}
	// Output:
	// lwa.Token(expires 2026-01-08T13:00:00Z)
	// true
	// 1 12:00:00 authorize  code issued
	// 2 12:00:00 token authorization_code issued
	// 3 13:00:00 tokeninfo  invalid_token: access_token
}

func ExampleServer_Script() {
	srv := example()
	token := signIn(srv)
	_ = srv.Script(
		lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled, RetryAfter: "5"},
		lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.DropAfter},
	)
	for range 3 {
		_, err := srv.Client().Refresh(context.Background(), token.RefreshToken)
		var refused *lwa.Error
		if errors.As(err, &refused) {
			fmt.Println(refused.StatusCode, "wait", refused.RetryAfter)
			continue
		}
		fmt.Println(err)
	}
	// Output:
	// 429 wait 5s
	// lwa: refresh: no answer: lwatest: the connection was closed without an answer
	// <nil>
}

// An API that takes LWA tokens asks the server whose they are.
func ExampleServer_Lookup() {
	srv := example()
	token := signIn(srv)

	grant, works := srv.Lookup(token.AccessToken.Reveal())
	fmt.Println(grant.DeviceModel, grant.Serial, grant.Scopes, works)

	// Deregistering a device ends its grants.
	ended, err := srv.Revoke(lwatest.Match{DeviceModel: grant.DeviceModel, Serial: grant.Serial})
	_, works = srv.Lookup(token.AccessToken.Reveal())
	fmt.Println(len(ended), err, works)
	// Output:
	// ACME-VAC-1 SN0001 [dash:replenish] true
	// 1 <nil> false
}

// A device without a browser shows a code; its customer enters it elsewhere.
func ExampleServer_EnterCode() {
	srv := example()
	client := &http.Client{Transport: srv.Transport()}
	base := srv.Endpoint().APIURL
	answer, err := client.PostForm(base+"/auth/o2/create/codepair", url.Values{
		"response_type": {"device_code"}, "client_id": {srv.Client().ClientID}, "scope": {"profile"},
	})
	if err != nil {
		panic(err)
	}
	var pair struct {
		UserCode   string `json:"user_code"`
		DeviceCode string `json:"device_code"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&pair); err != nil {
		panic(err)
	}
	poll := func() {
		answer, err := client.PostForm(base+"/auth/o2/token", url.Values{
			"grant_type": {"device_code"}, "device_code": {pair.DeviceCode}, "user_code": {pair.UserCode},
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(answer.StatusCode)
	}

	poll() // nobody has answered yet
	if err := srv.EnterCode(pair.UserCode, lwatest.Visitor{}); err != nil {
		fmt.Println(err)
	}
	poll()
	for _, e := range srv.Journal() {
		fmt.Println(e.Route, e.GrantType, e.Outcome)
	}
	// Output:
	// 400
	// 200
	// codepair  code pair issued
	// token device_code authorization_pending
	// verify  agreed
	// token device_code issued
}

// A client that asks for itself, and an API that takes its token for an hour.
func ExampleServer_RequireToken() {
	srv := example()
	api := srv.RequireToken("appstore::apps:readwrite", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "your apps")
	}))
	me := srv.Client()
	answer, err := (&http.Client{Transport: srv.Transport()}).PostForm(me.Endpoint.APIURL+"/auth/o2/token", url.Values{
		"grant_type": {"client_credentials"}, "scope": {"appstore::apps:readwrite"},
		"client_id": {me.ClientID}, "client_secret": {me.ClientSecret.Reveal()},
	})
	if err != nil {
		panic(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {
		panic(err)
	}
	call := func() {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token.AccessToken)
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	call()
	srv.Clock().Advance(time.Hour)
	call()
	// Output:
	// 200 your apps
	// 403 {"message":"Request is not authorized."}
}

// What is saved as it changes is all that the next process needs.
func ExampleServer_Restore() {
	file := map[string]lwatest.Record{}
	options := lwatest.Options{
		Clients: []lwatest.Client{lwatest.DefaultClient()},
		Clock:   lwatest.NewStoppedClock(noon),
		Save: func(changed []lwatest.Record) error {
			for _, r := range changed {
				if r.Value == nil {
					delete(file, r.Key)
				} else {
					file[r.Key] = r
				}
			}
			return nil
		},
	}
	first, _ := lwatest.New(options)
	token := signIn(first)

	var records []lwatest.Record
	for _, r := range file {
		records = append(records, r)
	}
	second, _ := lwatest.New(options)
	if err := second.Restore(records); err != nil {
		fmt.Println(err)
	}
	_, err := second.Client().Refresh(context.Background(), token.RefreshToken)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleServer_SetSwitches() {
	srv := example()
	sw := srv.Switches()
	sw.RefreshRotation = lwatest.NewOldDies
	sw.AccessLife = lwatest.Duration(10 * time.Minute)
	if err := srv.SetSwitches(sw); err != nil {
		fmt.Println(err)
	}
	token := signIn(srv)
	next, err := srv.Client().Refresh(context.Background(), token.RefreshToken)
	fmt.Println(next, err)
	fmt.Println("another refresh token:", !next.RefreshToken.Equal(token.RefreshToken))
	// Output:
	// lwa.Token(expires 2026-01-08T12:10:00Z) <nil>
	// another refresh token: true
}
