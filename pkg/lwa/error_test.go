package lwa_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

// TestRefusals has every line of the catalogue that the token endpoint and tokeninfo
// answer with.
func TestRefusals(t *testing.T) {
	type kind int
	const (
		permanent kind = iota
		temporary
		neither
	)
	for _, tt := range []struct {
		name   string
		status int
		code   lwa.Code
		param  string
		kind   kind
	}{
		{"invalid-client", 401, lwa.InvalidClient, "", permanent},
		{"revoked", 400, lwa.InvalidGrant, "refresh_token", permanent},
		{"used-code", 400, lwa.InvalidGrant, "code", permanent},
		{"wrong-redirect-url", 400, lwa.InvalidGrant, "redirect_uri", permanent},
		{"malformed-code", 400, lwa.InvalidRequest, "code", permanent},
		{"missing-parameter", 400, lwa.InvalidRequest, "refresh_token", permanent},
		{"content-type", 400, lwa.InvalidRequest, "", permanent},
		{"grant-type", 400, lwa.UnsupportedGrantType, "", permanent},
		{"scope", 400, lwa.InvalidScope, "scope", permanent},
		{"unauthorized", 400, lwa.UnauthorizedClient, "", permanent},
		{"invalid-token", 400, lwa.InvalidToken, "access_token", permanent},
		{"server-error-guide", 500, lwa.ServerError, "", temporary},
		{"server-error-device", 400, lwa.ServerError, "", temporary},
		{"server-error-rfc", 500, lwa.ServerError, "", temporary},
		{"unavailable", 503, lwa.TemporarilyUnavailable, "", temporary},
		{"unknown-code", 400, "", "client_id", neither},
		// A server in trouble decides nothing, whatever its body says.
		{"revoked", 503, "", "refresh_token", temporary},
		{"invalid-client", 429, "", "", temporary},
	} {
		t.Run(fmt.Sprintf("%s-%d", tt.name, tt.status), func(t *testing.T) {
			body := golden(t, "refusal/"+tt.name+".json")
			var said struct {
				Error       string
				Description string `json:"error_description"`
				RequestID   string `json:"request_id"`
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil {
				t.Fatal(err)
			}
			_, err := answering(tt.status, nil, body).Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
			want := &lwa.Error{
				Op: "refresh", StatusCode: tt.status, Code: tt.code, RawCode: said.Error,
				Description: said.Description, Param: tt.param, RequestID: said.RequestID,
			}
			got := wantError(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got.Permanent() != (tt.kind == permanent) || got.Temporary() != (tt.kind == temporary) {
				t.Errorf("Permanent, Temporary = %t, %t", got.Permanent(), got.Temporary())
			}
		})
	}
}

func TestNoJSON(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
	}{
		{"page", 503, "<html>unavailable</html>"},
		{"empty", 500, ""},
		{"empty 400", 400, ""},
		{"page 404", 404, "<html>"},
		{"XML", 403, "<Error/>"},
		{"throttled", 429, "slow down"},
	} {
		_, err := answering(tt.status, contentType("text/html"), tt.body).Exchange(t.Context(), canaryCode, lwa.Secret{})
		e := wantError(t, err)
		if !e.NotJSON || !e.Temporary() || e.Permanent() || e.Code != "" {
			t.Errorf("%s: %+v, want a temporary error without code", tt.name, e)
		}
		if tt.body != "" && strings.Contains(err.Error(), tt.body) {
			t.Errorf("%s: the body is in the error: %v", tt.name, err)
		}
	}
}

func TestJSONWithoutError(t *testing.T) {
	for _, body := range []string{"{}", "[]", "null", `{"message":"no"}`, `{"error":{"code":1}}`, `{"error":7}`} {
		_, err := answering(400, nil, body).Exchange(t.Context(), canaryCode, lwa.Secret{})
		if e := wantError(t, err); e.Code != "" || e.Temporary() || e.Permanent() {
			t.Errorf("%s: %+v, want an error that fits nothing known", body, e)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"7", 7 * time.Second},
		{"3600", time.Hour},
		{"999999", time.Hour},
		{"99999999999999999999", time.Hour},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"Thu, 08 Jan 2026 12:01:30 GMT", 90 * time.Second},
		{"Thursday, 08-Jan-26 12:01:30 GMT", 90 * time.Second},
		{"Thu, 08 Jan 2026 11:00:00 GMT", 0},
		{"Fri, 08 Jan 2027 12:00:00 GMT", time.Hour},
	} {
		c := answering(429, http.Header{"Retry-After": {tt.header}}, "{}")
		_, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
		if e := wantError(t, err); e.RetryAfter != tt.want {
			t.Errorf("Retry-After %q = %v, want %v", tt.header, e.RetryAfter, tt.want)
		}
	}
}

// TestErrorsEchoNothing: Amazon may repeat what was sent, in any spelling, or write what
// a log should not hold.
func TestErrorsEchoNothing(t *testing.T) {
	for name, text := range map[string]string{
		"raw":               "bad " + strings.Join(canaries, ", "),
		"form encoded":      "bad " + url.QueryEscape(canaryRefresh) + " " + url.QueryEscape(canarySecret),
		"path encoded":      "bad " + url.PathEscape(canarySecret),
		"in two":            "bad " + canarySecret[:8] + "\u0000" + canarySecret[8:] + " " + canaryVerifier[:9] + "\u200b" + canaryVerifier[9:],
		"across the limit":  strings.Repeat("x", 290) + canarySecret,
		"another token":     "token Atza|somebody-elses-token and Atzr%7Csomebody-elses-token",
		"control":           "a\x1b[31mb\r\nc\u2028d\u202ee\x7f",
		"not UTF-8":         "a\xff\xfeb",
		"long":              strings.Repeat("ü", 5000),
		"nothing but marks": "\u0000\u0001",
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"error": "odd " + text, "error_description": text, "request_id": text})
			if err != nil {
				t.Fatal(err)
			}
			c := answering(400, http.Header{"X-Amzn-Requestid": {canarySecret}}, string(body))
			_, err = c.Exchange(t.Context(), canaryCode, lwa.NewSecret(canaryVerifier))
			e := wantError(t, err)
			out := fmt.Sprintf("%v %+v %#v", err, *e, e)
			refuseCanaries(t, "error", out)
			for _, part := range []string{"somebody", url.QueryEscape(canaryRefresh), url.QueryEscape(canarySecret), url.PathEscape(canarySecret), canarySecret[:10]} {
				if strings.Contains(out, part) {
					t.Errorf("error holds %q: %s", part, out)
				}
			}
			for _, field := range []string{e.Description, e.RawCode, e.RequestID, e.Error()} {
				if len(field) > 600 || !utf8.ValidString(field) || strings.ContainsFunc(field, func(r rune) bool {
					return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
				}) {
					t.Errorf("a field of %d bytes is not fit for a log: %q", len(field), field)
				}
			}
			if len(e.Description) > 300 || len(e.RawCode) > 64 {
				t.Errorf("%d bytes of description and %d of code, want at most 300 and 64", len(e.Description), len(e.RawCode))
			}
		})
	}
}

// TestSecretInASecret: where one secret is part of another, nothing is left of either.
func TestSecretInASecret(t *testing.T) {
	c := answering(400, nil, `{"error":"x","error_description":"got `+canaryCode+`-tail"}`)
	c.ClientSecret = lwa.NewSecret(canaryCode + "-tail")
	_, err := c.Exchange(t.Context(), canaryCode, lwa.Secret{})
	if e := wantError(t, err); e.Description != "got [redacted]" {
		t.Errorf("Description = %q", e.Description)
	}
}

func TestErrorOfAServerInTrouble(t *testing.T) {
	e := &lwa.Error{StatusCode: 503, Code: lwa.InvalidGrant}
	if e.Permanent() || !e.Temporary() {
		t.Errorf("Permanent, Temporary = %t, %t, want false, true", e.Permanent(), e.Temporary())
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  *lwa.Error
		want string
	}{
		{
			&lwa.Error{Op: "refresh", StatusCode: 400, Code: "invalid_grant", Description: "No.", RequestID: "r-1"},
			"lwa: refresh: 400 invalid_grant: No. (request r-1)",
		},
		{&lwa.Error{Op: "exchange", StatusCode: 400, RawCode: "InvalidValue"}, "lwa: exchange: 400 InvalidValue"},
		{&lwa.Error{Op: "exchange", StatusCode: 503}, "lwa: exchange: 503"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

func TestTransportErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name    string
		err     error
		is      error
		timeout bool
	}{
		{"plain", boom, boom, false},
		{"echo", fmt.Errorf("dumping %s and %s", canarySecret, url.QueryEscape(canaryRefresh)), nil, false},
		{"echo of a cancelled call", fmt.Errorf("dumping %s: %w", canarySecret, context.Canceled), context.Canceled, false},
		{"deadline", context.DeadlineExceeded, context.DeadlineExceeded, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOn(func(*http.Request) (*http.Response, error) { return nil, tt.err })
			_, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
			var te *lwa.TransportError
			var e *lwa.Error
			if !errors.As(err, &te) || errors.As(err, &e) {
				t.Fatalf("error is a %T, want a *TransportError", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
			if te.Timeout() != tt.timeout || te.Op != "refresh" {
				t.Errorf("Timeout, Op = %t, %q", te.Timeout(), te.Op)
			}
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				refuseCanaries(t, "error", fmt.Sprintf("%v %+v %#v", cause, cause, cause))
				if strings.Contains(cause.Error(), url.QueryEscape(canaryRefresh)) {
					t.Errorf("error holds the refresh token: %v", cause)
				}
			}
		})
	}
}

// failing is a body that ends in an error.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		err = f.err
	}
	return n, err
}

// TestEndlessAnswer: a server that never stops is not listened to forever.
func TestEndlessAnswer(t *testing.T) {
	for _, status := range []int{200, 400} {
		endless := &spaces{most: 4 << 20}
		c := clientOn(func(r *http.Request) (*http.Response, error) { return response(r, status, nil, endless), nil })
		_, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
		if e := wantError(t, err); !e.NotJSON || endless.most <= 0 {
			t.Errorf("error = %+v, %d bytes left, want NotJSON before the end", e, endless.most)
		}
	}
}

// spaces is a body of spaces.
type spaces struct{ most int }

func (s *spaces) Read(b []byte) (int, error) {
	if s.most -= len(b); s.most <= 0 {
		return 0, io.EOF
	}
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestBrokenOff(t *testing.T) {
	body := func(err error) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			return response(r, 200, nil, failing{strings.NewReader(goodToken), err}), nil
		}
	}
	_, err := clientOn(body(io.ErrUnexpectedEOF)).Exchange(t.Context(), canaryCode, lwa.Secret{})
	if e := wantError(t, err); !e.NotJSON || !e.Temporary() {
		t.Errorf("an answer that broke off = %+v, want a temporary error", e)
	}
	_, err = clientOn(body(context.DeadlineExceeded)).Exchange(t.Context(), canaryCode, lwa.Secret{})
	var te *lwa.TransportError
	if !errors.As(err, &te) || !te.Timeout() {
		t.Errorf("an answer that took too long = %v, want a *TransportError", err)
	}
}

func TestRequestIDIsBounded(t *testing.T) {
	for n, want := range map[int]int{128: 128, 129: 0} {
		c := answering(400, http.Header{"X-Amzn-Requestid": {strings.Repeat("r", n)}}, `{"error":"invalid_grant"}`)
		_, err := c.Exchange(t.Context(), canaryCode, lwa.NewSecret(canaryVerifier))
		if e := wantError(t, err); len(e.RequestID) != want {
			t.Errorf("of a request ID of %d characters %d are kept, want %d", n, len(e.RequestID), want)
		}
	}
}
