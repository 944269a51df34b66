package lwa_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

const goodToken = `{"access_token":"Atza|a","refresh_token":"Atzr|r","token_type":"bearer","expires_in":3600}`

// sent is what a request carried.
type sent struct {
	Method, URL, ContentType string
	Form                     url.Values
	Header                   http.Header
}

func capture(t *testing.T, into *[]sent) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				t.Error(err)
			}
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Errorf("the body is no form: %v", err)
		}
		*into = append(*into, sent{r.Method, r.URL.String(), r.Header.Get("Content-Type"), form, r.Header})
		return response(r, 200, nil, strings.NewReader(goodToken)), nil
	}
}

// TestTokenRequests checks what goes over the wire: one form, with the credentials in
// it and nowhere else.
func TestTokenRequests(t *testing.T) {
	const id = "amzn1.application-oa2-client.00000000000000000000000000000000"
	const back = "https://app.example.com/callback"
	exchange := func(verifier string) func(context.Context, *lwa.Client) error {
		return func(ctx context.Context, c *lwa.Client) error {
			_, err := c.Exchange(ctx, canaryCode, lwa.NewSecret(verifier))
			return err
		}
	}
	for _, tt := range []struct {
		name   string
		secret string
		call   func(context.Context, *lwa.Client) error
		want   url.Values
	}{
		{"secret", canarySecret, exchange(""), url.Values{
			"grant_type": {"authorization_code"}, "code": {canaryCode}, "redirect_uri": {back}, "client_id": {id},
			"client_secret": {canarySecret},
		}},
		{"verifier", "", exchange(canaryVerifier), url.Values{
			"grant_type": {"authorization_code"}, "code": {canaryCode}, "redirect_uri": {back}, "client_id": {id},
			"code_verifier": {canaryVerifier},
		}},
		{"both", canarySecret, exchange(canaryVerifier), url.Values{
			"grant_type": {"authorization_code"}, "code": {canaryCode}, "redirect_uri": {back}, "client_id": {id},
			"client_secret": {canarySecret}, "code_verifier": {canaryVerifier},
		}},
		{"neither", "", exchange(""), url.Values{
			"grant_type": {"authorization_code"}, "code": {canaryCode}, "redirect_uri": {back}, "client_id": {id},
		}},
		{"refresh", canarySecret, refresh, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {canaryRefresh}, "client_id": {id},
			"client_secret": {canarySecret},
		}},
		{"refresh without secret", "", refresh, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {canaryRefresh}, "client_id": {id},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []sent
			c := clientOn(capture(t, &got))
			c.ClientSecret = lwa.NewSecret(tt.secret)
			c.Endpoint = lwa.EU.Endpoint()
			if err := tt.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 {
				t.Fatalf("%d requests were sent, want 1", len(got))
			}
			r := got[0]
			if r.Method != "POST" || r.URL != "https://api.amazon.co.uk/auth/o2/token" {
				t.Errorf("request = %s %s", r.Method, r.URL)
			}
			if !strings.HasPrefix(r.ContentType, "application/x-www-form-urlencoded") || r.Header.Get("Authorization") != "" {
				t.Errorf("headers = %v, want a form and no credentials", r.Header)
			}
			if diff := cmp.Diff(tt.want, r.Form); diff != "" {
				t.Errorf("form (-want +got):\n%s", diff)
			}
		})
	}
}

func refresh(ctx context.Context, c *lwa.Client) error {
	_, err := c.Refresh(ctx, lwa.NewSecret(canaryRefresh))
	return err
}

func TestTokenInfoRequest(t *testing.T) {
	var got *http.Request
	c := clientOn(func(r *http.Request) (*http.Response, error) {
		got = r
		return response(r, 200, nil, strings.NewReader(`{"aud":"x","exp":3597}`)), nil
	})
	if _, err := c.TokenInfo(t.Context(), lwa.NewSecret(canaryAccess)); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.URL.String() != "https://api.amazon.com/auth/o2/tokeninfo" {
		t.Errorf("request = %s %s, want no token in the URL", got.Method, got.URL)
	}
	if h := got.Header.Get("x-amz-access-token"); h != canaryAccess {
		t.Errorf("x-amz-access-token = %q, want the raw token", h)
	}
}

// TestOneRequest: whatever the answer, a call asks once and follows nothing.
func TestOneRequest(t *testing.T) {
	redirect := http.Header{"Location": {"https://evil.example.com/"}}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
	}{
		{"redirect that keeps the body", 307, redirect, ""},
		{"redirect", 302, redirect, ""},
		{"throttled", 429, http.Header{"Retry-After": {"0"}}, ""},
		{"refused credentials", 401, nil, `{"error":"invalid_client"}`},
		{"trouble", 503, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			c := clientOn(func(r *http.Request) (*http.Response, error) {
				n++
				return response(r, tt.status, tt.header, strings.NewReader(tt.body)), nil
			})
			_, err := c.Exchange(t.Context(), canaryCode, lwa.Secret{})
			e := wantError(t, err)
			if e.StatusCode != tt.status {
				t.Errorf("StatusCode = %d, want %d", e.StatusCode, tt.status)
			}
			if said := strings.Contains(e.Description, "redirect"); said != (tt.status < 400) {
				t.Errorf("Description = %q", e.Description)
			}
			if n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
		})
	}
}

// TestIncomplete: what is missing is said before anything is sent.
func TestIncomplete(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(context.Context, *lwa.Client) error
		want string
	}{
		{"no code", func(ctx context.Context, c *lwa.Client) error {
			_, err := c.Exchange(ctx, "", lwa.Secret{})
			return err
		}, "code is empty"},
		{"no redirect URL", func(ctx context.Context, c *lwa.Client) error {
			c.RedirectURL = ""
			_, err := c.Exchange(ctx, canaryCode, lwa.Secret{})
			return err
		}, "RedirectURL is empty"},
		{"no client ID", func(ctx context.Context, c *lwa.Client) error {
			c.ClientID = ""
			return refresh(ctx, c)
		}, "ClientID is empty"},
		{"long client ID", func(ctx context.Context, c *lwa.Client) error {
			c.ClientID = strings.Repeat("x", 101)
			return refresh(ctx, c)
		}, "over 100 bytes"},
		{"long client ID for a code pair", func(ctx context.Context, c *lwa.Client) error {
			c.ClientID = strings.Repeat("x", 101)
			_, err := c.CreateCodePair(ctx, lwa.CodePairRequest{Scopes: []string{"profile"}})
			return err
		}, "over 100 bytes"},
		{"long client ID to compare with", func(ctx context.Context, c *lwa.Client) error {
			c.ClientID = strings.Repeat("x", 101)
			_, err := c.VerifyToken(ctx, lwa.NewSecret(canaryAccess))
			return err
		}, "over 100 bytes"},
		{"no refresh token", func(ctx context.Context, c *lwa.Client) error {
			_, err := c.Refresh(ctx, lwa.Secret{})
			return err
		}, "there is no refresh token"},
		{"no access token", func(ctx context.Context, c *lwa.Client) error {
			_, err := c.TokenInfo(ctx, lwa.Secret{})
			return err
		}, "access token is empty"},
		{"access token with a newline", func(ctx context.Context, c *lwa.Client) error {
			_, err := c.TokenInfo(ctx, lwa.NewSecret(canaryAccess+"\n"))
			return err
		}, "printable ASCII"},
		{"authorize page alone", func(ctx context.Context, c *lwa.Client) error {
			c.Endpoint = lwa.Endpoint{AuthorizeURL: "http://localhost/ap/oa"}
			return refresh(ctx, c)
		}, "APIURL"},
		{"no scheme", func(ctx context.Context, c *lwa.Client) error {
			c.Endpoint = lwa.Endpoint{APIURL: "api.amazon.com"}
			return refresh(ctx, c)
		}, "https://"},
		{"another scheme", func(ctx context.Context, c *lwa.Client) error {
			c.Endpoint = lwa.Endpoint{APIURL: "ftp://api.amazon.com"}
			return refresh(ctx, c)
		}, "https://"},
		{"a query", func(ctx context.Context, c *lwa.Client) error {
			c.Endpoint = lwa.Endpoint{APIURL: "https://api.amazon.com/?x=1"}
			return refresh(ctx, c)
		}, "https://"},
		{"a fragment", func(ctx context.Context, c *lwa.Client) error {
			c.Endpoint = lwa.Endpoint{APIURL: "https://api.amazon.com/#x"}
			return refresh(ctx, c)
		}, "https://"},
		{"no context", func(_ context.Context, c *lwa.Client) error {
			var none context.Context
			return refresh(none, c)
		}, "nil Context"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOn(func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return nil, errors.New("unwanted")
			})
			err := tt.call(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one about %q", err, tt.want)
			}
			refuseCanaries(t, "error", err.Error())
			if strings.Contains(tt.name, "client ID") && !strings.Contains(lwa.Explain(err), "Web Settings") {
				t.Errorf("Explain() = %q, want where to find the client ID", lwa.Explain(err))
			}
		})
	}
}
