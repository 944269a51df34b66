package lwa_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

const (
	canaryDevice = "canary-device-code-74tq5miHKB"
	pairBody     = `{"user_code":"94238","device_code":"` + canaryDevice + `","verification_uri":"https://amazon.com/us/code","expires_in":600,"interval":30}`
	tokenBody    = `{"access_token":"Atza|canary-access-token","token_type":"bearer","expires_in":3600,"refresh_token":"Atzr|canary-refresh-token"}`
	appBody      = `{"access_token":"Atc|canary","scope":"appstore::apps:readwrite","token_type":"bearer","expires_in":3600}`
)

// recorded is a client whose requests are kept, and answered in turn; the last answer
// stays.
type recorded struct {
	*lwa.Client
	paths   []string
	forms   []url.Values
	headers []http.Header
}

func recording(t *testing.T, bodies ...string) *recorded {
	t.Helper()
	r := new(recorded)
	r.Client = clientOn(func(req *http.Request) (*http.Response, error) {
		if err := req.ParseForm(); err != nil {
			t.Error(err)
		}
		r.paths, r.forms, r.headers = append(r.paths, req.Method+" "+req.URL.Host+req.URL.Path), append(r.forms, req.PostForm), append(r.headers, req.Header)
		body := bodies[min(len(r.paths), len(bodies))-1]
		status := http.StatusOK
		if strings.Contains(body, `"error"`) {
			status = http.StatusBadRequest
		}
		return response(req, status, nil, strings.NewReader(body)), nil
	})
	return r
}

func wantForm(t *testing.T, got url.Values, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("form has %d members, want %d", len(got), len(want))
	}
	for name, value := range want {
		if len(got[name]) != 1 || got.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	for region, host := range map[lwa.Region]string{lwa.NA: "api.amazon.com", lwa.EU: "api.amazon.co.uk", lwa.FE: "api.amazon.co.jp"} {
		r := recording(t, appBody)
		r.Endpoint = region.Endpoint()
		token, err := r.ClientCredentials(t.Context(), "appstore::apps:readwrite", "messaging:push")
		if err != nil {
			t.Fatal(err)
		}
		if r.paths[0] != "POST "+host+"/auth/o2/token" {
			t.Errorf("%s: asked %s", region, r.paths[0])
		}
		wantForm(t, r.forms[0], map[string]string{
			"grant_type": "client_credentials", "scope": "appstore::apps:readwrite messaging:push",
			"client_id": r.ClientID, "client_secret": canarySecret,
		})
		if !token.RefreshToken.IsZero() || token.Scope != "appstore::apps:readwrite" || !token.Expiry.Equal(noon.Add(time.Hour)) {
			t.Errorf("token = %v, scope %q", token, token.Scope)
		}
	}
}

func TestClientCredentialsNeedsSecretAndScope(t *testing.T) {
	for name, call := range map[string]func(*lwa.Client) error{
		"no scope":    func(c *lwa.Client) error { _, err := c.ClientCredentials(t.Context()); return err },
		"empty scope": func(c *lwa.Client) error { _, err := c.ClientCredentials(t.Context(), ""); return err },
		"two in one":  func(c *lwa.Client) error { _, err := c.ClientCredentials(t.Context(), "a b"); return err },
		"no secret": func(c *lwa.Client) error {
			c.ClientSecret = lwa.Secret{}
			_, err := c.ClientCredentials(t.Context(), "a")
			return err
		},
	} {
		r := recording(t, appBody)
		if err := call(r.Client); err == nil || len(r.paths) != 0 {
			t.Errorf("%s: %v after %d requests, want an error after none", name, err, len(r.paths))
		}
	}
}

func TestCreateCodePair(t *testing.T) {
	r := recording(t, pairBody)
	r.ClientSecret = lwa.Secret{}
	pair, err := r.CreateCodePair(t.Context(), lwa.CodePairRequest{
		Scopes: []string{"profile", "alexa:all"}, Language: "de-DE",
		ScopeData: map[string]any{"alexa:all": map[string]string{"productID": "ACME-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantForm(t, r.forms[0], map[string]string{
		"response_type": "device_code", "client_id": r.ClientID, "scope": "profile alexa:all",
		"scope_data": `{"alexa:all":{"productID":"ACME-1"}}`,
	})
	if r.paths[0] != "POST api.amazon.com/auth/o2/create/codepair" || r.headers[0].Get("Accept-Language") != "de-DE" {
		t.Errorf("asked %s in %q", r.paths[0], r.headers[0].Get("Accept-Language"))
	}
	if pair.UserCode != "94238" || pair.DeviceCode.Reveal() != canaryDevice || pair.VerificationURL != "https://amazon.com/us/code" ||
		pair.Interval != 30*time.Second || !pair.Expiry.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("pair = %+v", *pair)
	}
	inJSON, err := json.Marshal(pair)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprintf("%v %+v %#v", pair, *pair, pair), string(inJSON)} {
		if strings.Contains(out, canaryDevice) {
			t.Errorf("the device code is in %s", out)
		}
	}
}

func TestUnusableCodePair(t *testing.T) {
	good := map[string]any{"user_code": "94238", "device_code": "74tq5miHKB", "verification_uri": "https://amazon.com/us/code", "expires_in": 600, "interval": 30}
	for name, change := range map[string]any{
		"user_code": []any{"", nil, 7, strings.Repeat("x", 65), "a b", "a\x1b[31m"}, "device_code": []any{"", nil, 7, strings.Repeat("x", 2049), "ü"},
		"verification_uri": []any{"", nil, "amazon.com/us/code", "javascript:alert(1)", "https://user:pw@amazon.com/", "https://a b/", "https://x/" + strings.Repeat("x", 2048)},
		"expires_in":       []any{nil, 0, -1, "soon", 1e9}, "interval": []any{-1, 601, "soon", true},
	} {
		for _, bad := range change.([]any) {
			body := map[string]any{}
			for k, v := range good {
				body[k] = v
			}
			body[name] = bad
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			_, err = answering(200, nil, string(text)).CreateCodePair(t.Context(), lwa.CodePairRequest{Scopes: []string{"profile"}})
			if e := wantError(t, err); !errors.Is(err, lwa.ErrUnusable) || e.Op != "codepair" {
				t.Errorf("%s %v: %v, want ErrUnusable", name, bad, err)
			}
		}
	}
	// Amazon names the interval, RFC 8628 has 5 s for those who don't.
	pair, err := answering(200, nil, strings.Replace(pairBody, `,"interval":30`, "", 1)).CreateCodePair(t.Context(), lwa.CodePairRequest{Scopes: []string{"profile"}})
	if err != nil || pair.Interval != 5*time.Second {
		t.Errorf("without interval: %+v, %v", pair, err)
	}
}

func TestPollCodePair(t *testing.T) {
	pair := &lwa.CodePair{UserCode: "94238", DeviceCode: lwa.NewSecret(canaryDevice), Expiry: noon.Add(time.Minute), Interval: 20 * time.Second}
	r := recording(t, `{"error":"authorization_pending"}`, `{"error":"slow_down"}`, `{"error":"access_denied","error_description":"no `+canaryDevice+`"}`,
		`{"error":"invalid_code_pair"}`, `{"error":"expired_token"}`, tokenBody)
	for _, want := range []struct {
		code  lwa.Code
		after time.Duration
	}{
		{lwa.AuthorizationPending, 20 * time.Second},
		{lwa.SlowDown, 40 * time.Second},
		{lwa.AccessDenied, 0},
		{lwa.InvalidCodePair, 0},
		{lwa.ExpiredToken, 0},
	} {
		_, err := r.PollCodePair(t.Context(), pair)
		after, again := lwa.Retry(err)
		if !errors.Is(err, want.code) || after != want.after || again != (want.after > 0) {
			t.Errorf("error = %v, again: %t after %v, want %s after %v", err, again, after, want.code, want.after)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), canaryDevice) {
			t.Errorf("the device code is in %v", err)
		}
	}
	token, err := r.PollCodePair(t.Context(), pair)
	if err != nil || token.AccessToken.Reveal() != canaryAccess || token.RefreshToken.IsZero() {
		t.Errorf("token = %v, %v", token, err)
	}
	for _, form := range r.forms {
		wantForm(t, form, map[string]string{"grant_type": "device_code", "device_code": canaryDevice, "user_code": "94238"})
	}

	asked := len(r.paths)
	pair.Expiry = noon
	if _, err := r.PollCodePair(t.Context(), pair); !errors.Is(err, lwa.ExpiredToken) || len(r.paths) != asked {
		t.Errorf("an expired pair: %v after %d requests", err, len(r.paths)-asked)
	}
	for _, empty := range []*lwa.CodePair{nil, {}, {UserCode: "94238", Expiry: noon.Add(time.Hour)}} {
		if _, err := r.PollCodePair(t.Context(), empty); err == nil || len(r.paths) != asked {
			t.Errorf("an empty pair: %v after %d requests", err, len(r.paths)-asked)
		}
	}
}

func TestAwaitCodePair(t *testing.T) {
	pending, slow := `{"error":"authorization_pending"}`, `{"error":"slow_down"}`
	for _, tt := range []struct {
		name    string
		answers []string
		want    error
		polls   []time.Duration // since the start
	}{
		{"at once", []string{tokenBody}, nil, []time.Duration{30}},
		{"in a while", []string{pending, pending, tokenBody}, nil, []time.Duration{30, 60, 90}},
		{"too fast", []string{slow, slow, slow, tokenBody}, nil, []time.Duration{30, 90, 150, 210}},
		{"trouble", []string{"<html>", `{"error":"ServerError"}`, tokenBody}, nil, []time.Duration{30, 60, 90}},
		{"no", []string{pending, `{"error":"access_denied"}`}, lwa.AccessDenied, []time.Duration{30, 60}},
		{"used", []string{`{"error":"invalid_code_pair"}`}, lwa.InvalidCodePair, []time.Duration{30}},
		{"never", []string{slow, slow, pending}, lwa.ExpiredToken, []time.Duration{30, 90, 150, 210, 270, 330, 390, 450, 510, 570}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := recording(t, append([]string{pairBody}, tt.answers...)...)
				r.Now = nil
				pair, err := r.CreateCodePair(t.Context(), lwa.CodePairRequest{Scopes: []string{"profile"}})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				var polls []time.Duration
				base := r.HTTPClient.Transport
				r.HTTPClient.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
					polls = append(polls, time.Since(start)/time.Second)
					return base.RoundTrip(req)
				})
				token, err := r.AwaitCodePair(t.Context(), pair)
				if !errors.Is(err, tt.want) || (token != nil) != (tt.want == nil) {
					t.Errorf("AwaitCodePair() = %v, %v, want error %v", token, err, tt.want)
				}
				if fmt.Sprint(polls) != fmt.Sprint(tt.polls) {
					t.Errorf("polled after %v s, want %v", polls, tt.polls)
				}
			})
		})
	}
}

// Who asks a server that can't be Amazon's need not wait ten minutes to hear of it.
func TestAwaitCodePairWithABadCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		c := clientOn(func(*http.Request) (*http.Response, error) {
			polls++
			return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		})
		c.Now = nil
		_, err := c.AwaitCodePair(t.Context(), &lwa.CodePair{
			UserCode: "94238", DeviceCode: lwa.NewSecret(canaryDevice), Expiry: time.Now().Add(time.Hour), Interval: 30 * time.Second,
		})
		if !strings.Contains(lwa.Explain(err), "CA certificates") || polls != 1 {
			t.Errorf("error = %v after %d polls, want the certificate's after 1", err, polls)
		}
	})
}

func TestAwaitCodePairEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recording(t, `{"error":"authorization_pending"}`)
		r.Now = nil
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		pair := &lwa.CodePair{UserCode: "94238", DeviceCode: lwa.NewSecret(canaryDevice), Expiry: time.Now().Add(time.Hour), Interval: 30 * time.Second}
		if _, err := r.AwaitCodePair(ctx, pair); !errors.Is(err, context.DeadlineExceeded) || len(r.paths) != 1 {
			t.Errorf("error = %v after %d polls, want the deadline after 1", err, len(r.paths))
		}
	})
}

// Every call goes to the region's own host.
func TestEveryCallInEveryRegion(t *testing.T) {
	paths := map[string]string{
		"exchange": "/auth/o2/token", "refresh": "/auth/o2/token", "client_credentials": "/auth/o2/token", "poll": "/auth/o2/token",
		"codepair": "/auth/o2/create/codepair", "tokeninfo": "/auth/o2/tokeninfo", "profile": "/user/profile",
	}
	for region, host := range map[lwa.Region]string{lwa.NA: "api.amazon.com", lwa.EU: "api.amazon.co.uk", lwa.FE: "api.amazon.co.jp"} {
		for op, call := range calls {
			c := clientOn(func(r *http.Request) (*http.Response, error) {
				if r.URL.String() != "https://"+host+paths[op] {
					t.Errorf("%s in %s: %s", op, region, r.URL)
				}
				return response(r, 503, nil, strings.NewReader("")), nil
			})
			c.Endpoint = region.Endpoint()
			if e := wantError(t, call(t, c)); e.Op != op {
				t.Errorf("Op = %s, want %s", e.Op, op)
			}
		}
	}
}
