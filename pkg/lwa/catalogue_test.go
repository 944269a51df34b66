package lwa_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// entry is one line of what Amazon documents, or has been seen to answer with.
type entry struct {
	name   string
	op     string // the call that is answered so
	status int
	body   string
	is     error         // what errors.Is finds
	param  string        // that the error names
	again  bool          // trying again can help
	after  time.Duration // not before that, where again
	advice string        // a part of what Explain says
}

func refusing(code, description string) string {
	b, _ := json.Marshal(map[string]string{"error": code, "error_description": description})
	return string(b)
}

const (
	atOnce  = time.Second // where Amazon doesn't say
	revoked = "The request has an invalid grant parameter : refresh_token"
)

// catalogue is in the order of Amazon's pages: the token endpoint, the device grant,
// tokeninfo and profile.
//
// Source: developer.amazon.com/docs/login-with-amazon (authorization-code-grant,
// retrieve-token-other-platforms-cbl-docs, obtain-customer-profile), app-submission-api/auth,
// and error bodies in public issues.
var catalogue = []entry{
	// The token endpoint.
	{name: "wrong secret", op: "client_credentials", status: 401, body: refusing("invalid_client", "Client authentication failed"), is: lwa.InvalidClient, advice: "client secret is wrong"},
	{name: "wrong secret", op: "refresh", status: 401, body: refusing("invalid_client", "Client authentication failed"), is: lwa.InvalidClient, advice: "Web Settings"},
	{name: "wrong secret", op: "exchange", status: 401, body: refusing("invalid_client", "Client authentication failed"), is: lwa.InvalidClient, advice: "Web Settings"},
	{name: "wrong scope", op: "client_credentials", status: 400, body: refusing("invalid_scope", "The request has an invalid parameter : scope"), is: lwa.InvalidScope, param: "scope", advice: "attach the security profile"},
	{name: "scope without scope_data", op: "codepair", status: 400, body: refusing("invalid_scope", "An unknown scope was requested"), is: lwa.InvalidScope, advice: "scope_data is missing"},
	{name: "wrong grant type", op: "client_credentials", status: 400, body: refusing("unsupported_grant_type", "The authorization grant type is not supported by the authorization server"), is: lwa.UnsupportedGrantType, advice: "form-encoded"},
	{name: "wrong content type", op: "client_credentials", status: 400, body: refusing("invalid_request", "The Content-Type is not supported by the authorization server"), is: lwa.InvalidRequest, advice: "application/x-www-form-urlencoded"},
	{name: "missing parameter", op: "refresh", status: 400, body: refusing("invalid_request", "The request is missing a required parameter : refresh_token"), is: lwa.InvalidRequest, param: "refresh_token", advice: "A parameter is missing"},
	{name: "malformed code", op: "exchange", status: 400, body: refusing("invalid_request", "The request has an invalid parameter : code"), is: lwa.InvalidRequest, param: "code", advice: "18 to 128 characters"},
	{name: "malformed request", op: "refresh", status: 400, body: refusing("invalid_request", "Malformed request"), is: lwa.InvalidRequest, advice: "percent-encoded once"},
	{name: "used code", op: "exchange", status: 400, body: refusing("invalid_grant", "The request has an invalid grant parameter : code"), is: lwa.InvalidGrant, param: "code", advice: "Start the sign-in again"},
	{name: "other redirect URL", op: "exchange", status: 400, body: refusing("invalid_grant", "The request has an invalid grant parameter : redirect_uri"), is: lwa.InvalidGrant, param: "redirect_uri", advice: "Allowed Return URLs"},
	{name: "revoked, old text", op: "refresh", status: 400, body: refusing("invalid_grant", revoked), is: lwa.InvalidGrant, param: "refresh_token", advice: "sign in again"},
	{name: "revoked, middle text", op: "refresh", status: 400, body: refusing("invalid_grant", revoked+". User may have unauthorized or didn't grant the permission."), is: lwa.InvalidGrant, param: "refresh_token", advice: "sign in again"},
	{name: "revoked, new text", op: "refresh", status: 400, body: refusing("invalid_grant", revoked+". User may have revoked or didn't grant the permission."), is: lwa.InvalidGrant, param: "refresh_token", advice: "sign in again"},
	{name: "wrong verifier", op: "exchange", status: 400, body: refusing("unauthorized_client", "Not authorized for requested operation"), is: lwa.UnauthorizedClient, advice: "verifier"},
	{name: "grant not allowed", op: "client_credentials", status: 400, body: refusing("unauthorized_client", "Not authorized for requested operation"), is: lwa.UnauthorizedClient, advice: "enabled for the API"},
	{name: "ServerError", op: "refresh", status: 500, body: refusing("ServerError", ""), is: lwa.ServerError, again: true, after: atOnce, advice: "in trouble"},
	{name: "servererror", op: "refresh", status: 400, body: refusing("servererror", ""), is: lwa.ServerError, again: true, after: atOnce, advice: "in trouble"},
	{name: "server_error", op: "client_credentials", status: 500, body: refusing("server_error", ""), is: lwa.ServerError, again: true, after: atOnce, advice: "in trouble"},
	{name: "server_error", op: "exchange", status: 500, body: refusing("server_error", ""), is: lwa.ServerError, advice: "in trouble"},
	{name: "unavailable", op: "refresh", status: 503, body: refusing("temporarily_unavailable", ""), is: lwa.TemporarilyUnavailable, again: true, after: atOnce, advice: "in trouble"},
	{name: "throttled", op: "refresh", status: 429, body: "{}", again: true, after: 5 * time.Second, advice: "throttles"},
	{name: "throttled", op: "exchange", status: 429, body: "{}", advice: "throttles"},
	{name: "a page", op: "refresh", status: 503, body: "<html>", is: lwa.ErrUnusable, again: true, after: atOnce, advice: "in trouble"},
	{name: "a page as success", op: "refresh", status: 200, body: "<html>", is: lwa.ErrUnusable, again: true, after: atOnce, advice: "proxy"},
	{name: "empty", op: "refresh", status: 200, body: "", is: lwa.ErrUnusable, again: true, after: atOnce, advice: "proxy"},
	{name: "cut short", op: "client_credentials", status: 200, body: `{"access_token":"Atc|EX`, is: lwa.ErrUnusable, again: true, after: atOnce, advice: "proxy"},
	{name: "no token", op: "refresh", status: 200, body: `{}`, is: lwa.ErrUnusable, advice: "base URL"},
	{name: "redirect", op: "refresh", status: 302, body: "", is: lwa.ErrUnusable, again: true, after: atOnce, advice: "redirect"},
	{name: "nothing known", op: "refresh", status: 418, body: refusing("teapot", "I'm one"), advice: "request ID"},

	// The device grant.
	{name: "unknown client", op: "codepair", status: 400, body: refusing("InvalidValue", "The request has an invalid parameter : client_id"), is: lwa.InvalidClient, param: "client_id", advice: "without quotes, braces"},
	{name: "other bad value", op: "codepair", status: 400, body: refusing("InvalidValue", "The request has an invalid parameter : scope_data"), is: lwa.InvalidRequest, param: "scope_data", advice: "malformed"},
	{name: "not enabled", op: "codepair", status: 400, body: refusing("unauthorized_client", ""), is: lwa.UnauthorizedClient, advice: "link devices by code"},
	{name: "bad parameter", op: "codepair", status: 400, body: refusing("invalid_request", ""), is: lwa.InvalidRequest, advice: "malformed"},
	{name: "pending", op: "poll", status: 400, body: refusing("authorization_pending", ""), is: lwa.AuthorizationPending, again: true, after: 30 * time.Second, advice: "Nothing is wrong"},
	{name: "too fast", op: "poll", status: 400, body: refusing("slow_down", ""), is: lwa.SlowDown, again: true, after: time.Minute, advice: "double the interval"},
	{name: "pair over", op: "poll", status: 400, body: refusing("invalid_code_pair", ""), is: lwa.InvalidCodePair, advice: "new one"},
	{name: "wrong pair", op: "poll", status: 400, body: refusing("invalid_grant", ""), is: lwa.InvalidGrant, advice: "code pair has expired"},
	{name: "expired", op: "poll", status: 400, body: refusing("expired_token", ""), is: lwa.ExpiredToken, advice: "new one"},
	{name: "denied", op: "poll", status: 400, body: refusing("access_denied", ""), is: lwa.AccessDenied, advice: "said no"},
	{name: "invalid client", op: "poll", status: 400, body: refusing("invalid_client", ""), is: lwa.InvalidClient, advice: "client ID"},
	{name: "trouble", op: "poll", status: 500, body: refusing("servererror", ""), is: lwa.ServerError, again: true, after: 30 * time.Second, advice: "in trouble"},

	// tokeninfo and profile.
	{name: "dead token", op: "tokeninfo", status: 400, body: `{"error_index":"x","error":"invalid_token","error_description":"The request has an invalid parameter : access_token"}`, is: lwa.InvalidToken, param: "access_token", advice: "get a new one"},
	{name: "dead token", op: "profile", status: 400, body: refusing("invalid_token", ""), is: lwa.InvalidToken, advice: "get a new one"},
	{name: "dead token", op: "profile", status: 401, body: refusing("invalid_token", ""), is: lwa.InvalidToken, advice: "get a new one"},
	{name: "bad parameter", op: "profile", status: 400, body: refusing("invalid_request", ""), is: lwa.InvalidRequest, advice: "malformed"},
	{name: "other scope", op: "profile", status: 401, body: refusing("insufficient_scope", ""), is: lwa.InsufficientScope, advice: "another scope"},
	{name: "trouble", op: "profile", status: 500, body: refusing("ServerError", ""), is: lwa.ServerError, again: true, after: atOnce, advice: "in trouble"},
}

// calls are the ways to reach an op.
var calls = map[string]func(t *testing.T, c *lwa.Client) error{
	"exchange": func(t *testing.T, c *lwa.Client) error {
		return second(c.Exchange(t.Context(), canaryCode, lwa.NewSecret(canaryVerifier)))
	},
	"refresh": func(t *testing.T, c *lwa.Client) error {
		return second(c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh)))
	},
	"client_credentials": func(t *testing.T, c *lwa.Client) error {
		return second(c.ClientCredentials(t.Context(), "appstore::apps:readwrite"))
	},
	"codepair": func(t *testing.T, c *lwa.Client) error {
		_, err := c.CreateCodePair(t.Context(), lwa.CodePairRequest{Scopes: []string{"profile"}})
		return err
	},
	"poll": func(t *testing.T, c *lwa.Client) error {
		return second(c.PollCodePair(t.Context(), &lwa.CodePair{
			UserCode: "94238", DeviceCode: lwa.NewSecret(canaryDevice), Expiry: noon.Add(time.Minute), Interval: 30 * time.Second,
		}))
	},
	"tokeninfo": func(t *testing.T, c *lwa.Client) error {
		_, err := c.TokenInfo(t.Context(), lwa.NewSecret(canaryAccess))
		return err
	},
	"profile": func(t *testing.T, c *lwa.Client) error {
		_, err := c.Profile(t.Context(), lwa.NewSecret(canaryAccess))
		return err
	},
}

func TestCatalogue(t *testing.T) {
	for _, e := range catalogue {
		t.Run(e.op+": "+e.name, func(t *testing.T) {
			err := calls[e.op](t, answering(e.status, nil, e.body))
			got := wantError(t, err)
			if e.is != nil && !errors.Is(err, e.is) {
				t.Errorf("errors.Is(%v, %v) = false", err, e.is)
			}
			if got.Op != e.op || got.StatusCode != e.status || got.Param != e.param {
				t.Errorf("Op, StatusCode, Param = %s, %d, %q, want %s, %d, %q", got.Op, got.StatusCode, got.Param, e.op, e.status, e.param)
			}
			if after, again := lwa.Retry(err); again != e.again || after != e.after {
				t.Errorf("Retry() = %v, %t, want %v, %t", after, again, e.after, e.again)
			}
			if again := got.Temporary(); again != e.again && e.op != "exchange" || again && got.Permanent() {
				t.Errorf("Temporary, Permanent = %t, %t", again, got.Permanent())
			}
			if got := lwa.Explain(err); !strings.Contains(got, e.advice) {
				t.Errorf("Explain() = %q, want something about %q", got, e.advice)
			}
			wantSameFromText(t, e, err)
		})
	}
}

// wantSameFromText: what Explain says of an error it says of the error as a log has it, and
// of the answer's body where that names an error.
func wantSameFromText(t *testing.T, e entry, err error) {
	t.Helper()
	if errors.Is(err, lwa.ErrUnusable) && e.status < 500 || e.name == "nothing known" {
		return
	}
	log, _ := json.Marshal(map[string]any{"level": "ERROR", "error": "refreshing: " + err.Error(), "thing": "x"})
	for _, text := range []string{err.Error(), "2026/01/08 callback: " + err.Error() + "\nmore", string(log)} {
		if got, known := lwa.ExplainText(text); !known || got != lwa.Explain(err) {
			t.Errorf("ExplainText(%q) = %q, %t, want what Explain says", text, got, known)
		}
	}
	if !strings.Contains(e.body, `"error"`) {
		return
	}
	inLog, _ := json.Marshal(map[string]string{"msg": "resulted in a 400: " + e.body})
	for _, text := range []string{e.body, "body: " + e.body + "\\n", string(inLog)} {
		if got, known := lwa.ExplainText(text); !known || got == "" {
			t.Errorf("ExplainText(%q) = %q, %t", text, got, known)
		}
	}
}

// What an authorize page sends back, or shows without a redirect.
func TestRedirectCatalogue(t *testing.T) {
	for query, want := range map[string]struct {
		is     lwa.Code
		again  bool
		advice string
	}{
		"error=access_denied&error_description=Access%20not%20permitted.":            {lwa.AccessDenied, false, "Cancel"},
		"error=invalid_scope&error_description=An+unknown+scope+was+requested":       {lwa.InvalidScope, false, "scope_data"},
		"error=invalid_request&error_description=The+request+is+missing+a+parameter": {lwa.InvalidRequest, false, "malformed"},
		"error=unauthorized_client": {lwa.UnauthorizedClient, false, "client"},
		"error=unsupported_response_type&error_description=&error_uri=https://x.test/": {lwa.UnsupportedResponseType, false, "has to be code"},
		"error=invalid_grant":           {lwa.InvalidGrant, false, "sign-in"},
		"error=server_error":            {lwa.ServerError, false, "try again later"},
		"error=temporarily_unavailable": {lwa.TemporarilyUnavailable, false, "try again later"},
	} {
		q, err := url.ParseQuery(query + "&state=s-1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = lwa.ReadRedirect(q, "s-1")
		e := wantError(t, err)
		if !errors.Is(err, want.is) || e.Op != "authorize" {
			t.Errorf("%s: %v, want %s", query, err, want.is)
		}
		if _, again := lwa.Retry(err); again != want.again {
			t.Errorf("%s: Retry() = %t", query, again)
		}
		if got := lwa.Explain(err); !strings.Contains(got, want.advice) {
			t.Errorf("%s: Explain() = %q, want something about %q", query, got, want.advice)
		}
		for _, text := range []string{"https://app.example.com/callback?" + query + "&state=x", "GET /callback?state=x&" + query + " HTTP/1.1", err.Error()} {
			if got, known := lwa.ExplainText(text); !known || got != lwa.Explain(err) {
				t.Errorf("ExplainText(%q) = %q, %t, want what Explain says", text, got, known)
			}
		}
	}
}

// Refusals of APIs that take the tokens, and pages that Amazon shows to the customer.
func TestTextCatalogue(t *testing.T) {
	const spAPI = `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"`
	for text, advice := range map[string]string{
		spAPI + `Access token is missing in the request header."}]}`:                  "carries no access token",
		spAPI + `The access token you provided is revoked, malformed or invalid."}]}`: "get a new one",
		spAPI + `The access token you provided has expired."}]}`:                      "get a new one",
		spAPI + `The LWA secret token you provided has expired."}]}`:                  "rotate it",
		spAPI + `"}]}`: "roles",
		`403 Forbidden: Request is not authorized.`:                                                                      "attach the security profile",
		`{"message":"Request is not authorized."}`:                                                                       "attach the security profile",
		`{"message":"Invalid token"}`:                                                                                    "get a new one",
		"Error Summary: 400 Bad Request Unknown client_id":                                                               "client ID",
		"The redirect URI you provided has not been whitelisted for your application":                                    "Allowed Return URLs",
		"error code: lwa-invalid-parameter-bad-redirect-uri-vendor":                                                      "Allowed Return URLs",
		"advertising: HTTP 429 Too Many Requests":                                                                        "throttles",
		`{"errors":[{"code":"QuotaExceeded"}]}`:                                                                          "throttles",
		`level=error err="Post \"https://api.amazon.com/auth/o2/token\": dial tcp: lookup api.amazon.com: no such host"`: "can't be resolved",
		`Get "https://api.amazon.co.jp/user/profile": tls: failed to verify certificate: x509: certificate has expired or is not yet valid`:                     "set the clock",
		`oauth2: cannot fetch token: Post "https://api.amazon.co.uk/auth/o2/token": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`: "in time",
		"MD1000":                "version=beta",
		"Error Code: MD5101":    "redirect URL",
		"Error Code: MD5110":    "without a fragment",
		"Error Code: MD9100":    "login URI",
		"CONSENT_LIMIT_REACHED": "authorizations",
		"oauth2: cannot fetch token: 401 Unauthorized Response: invalid_client something":                                                                                                         "Web Settings",
		`oauth2: "invalid_grant" "The request has an invalid grant parameter : redirect_uri"`:                                                                                                     "Allowed Return URLs",
		`Client error: POST https://api.amazon.com/auth/o2/token resulted in a 401 Unauthorized response:\n{\"error_description\":\"Client authentication failed\",\"error\":\"invalid_client\"}`: "Web Settings",
		`{'error': 'invalid_grant', 'error_description': 'The request has an invalid grant parameter : redirect_uri'}`:                                                                            "Allowed Return URLs",
		"{ error: 'servererror' }": "in trouble",
		`{"error_description":"The request has an invalid parameter : scope","err`:                        "single and double colons",
		`{"error_description":"The request has an invalid grant parameter : refresh_token. User may have`: "withdrew the consent",
		`{"error_description":"Client authentication failed"`:                                             "Web Settings",
	} {
		if got, known := lwa.ExplainText(text); !known || !strings.Contains(got, advice) {
			t.Errorf("ExplainText(%q) = %q, %t, want something about %q", text, got, known, advice)
		}
	}
	for _, text := range []string{"", "hello", "{", "{}", `{"error":{}}`, `{"error":"teapot"}`, "lwa: refresh: 418 teapot: no", strings.Repeat("{", 1<<20), "an error_description alone", `Post "https://amazon.example/x": EOF`, `Get "https://api.example.com/": no such host`} {
		if got, known := lwa.ExplainText(text); known || got != "" {
			t.Errorf("ExplainText(%.40q) = %q, %t, want nothing", text, got, known)
		}
	}
}

// The constants and the catalogue know the same codes.
func TestEveryCodeIsInTheCatalogue(t *testing.T) {
	seen := map[lwa.Code]bool{lwa.UnsupportedResponseType: true} // a redirect's alone
	for _, e := range catalogue {
		var code lwa.Code
		if errors.As(e.is, &code) {
			seen[code] = true
		}
	}
	for _, code := range []lwa.Code{
		lwa.InvalidClient, lwa.InvalidGrant, lwa.InvalidRequest, lwa.InvalidScope, lwa.UnauthorizedClient, lwa.UnsupportedGrantType,
		lwa.ServerError, lwa.TemporarilyUnavailable, lwa.AccessDenied, lwa.UnsupportedResponseType, lwa.AuthorizationPending, lwa.SlowDown,
		lwa.InvalidCodePair, lwa.ExpiredToken, lwa.InvalidToken, lwa.InsufficientScope,
	} {
		if !seen[code] {
			t.Errorf("no entry for %s", code)
		}
		if got, known := lwa.ExplainText(string(code)); !known || got == "" {
			t.Errorf("ExplainText(%s) = %q, %t", code, got, known)
		}
	}
}

func TestTokenRefused(t *testing.T) {
	r := request(t, nil)
	err := lwa.TokenRefused(response(r, http.StatusForbidden, nil, strings.NewReader("Request is not authorized.")))
	if !errors.Is(err, lwa.InvalidToken) || !strings.Contains(lwa.Explain(err), "get a new one") {
		t.Errorf("%v: %q", err, lwa.Explain(err))
	}
	for _, resp := range []*http.Response{nil, {StatusCode: 403}, response(r, 200, nil, strings.NewReader("Request is not authorized."))} {
		if err := lwa.TokenRefused(resp); err != nil {
			t.Errorf("%+v: %v, want nil", resp, err)
		}
	}
}

// What is refused is known, whatever the status says.
func TestRefusalWithStatus200(t *testing.T) {
	_, err := answering(200, nil, refusing("invalid_grant", revoked)).Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
	if !errors.Is(err, lwa.InvalidGrant) || errors.Is(err, lwa.ErrUnusable) {
		t.Errorf("error = %+v, want invalid_grant, and nothing unusable", err)
	}
	_, err = answering(200, nil, refusing("teapot", "")).Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
	if !errors.Is(err, lwa.ErrUnusable) {
		t.Errorf("error = %+v, want an unusable answer", err)
	}
}
