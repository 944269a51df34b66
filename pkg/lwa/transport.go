package lwa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Transport is an [http.RoundTripper] for any of Amazon's APIs that take an LWA access
// token:
//
//	api := &http.Client{Transport: &lwa.Transport{Source: c.ClientCredentialsSource(lwa.ScopeAppSubmission)}}
//
// It adds the token to each request. Where the API refuses the token as [TokenRefused] has
// it, the token is renewed, and the request is sent once more, if its body can be: if
// it has none, or a GetBody, as [http.NewRequest] gives it for the usual readers. Otherwise
// the refusal is returned, and the next request gets the new token.
//
// Many requests that are refused at the same time share one renewal, and an API that refuses
// the new token as well gets no third request.
//
// The token follows no redirect to another host, and travels by https only, except to this
// machine. The caller's request is not changed; where it has the header, the token's replaces it.
type Transport struct {
	// Source has the tokens. Required.
	Source *TokenSource
	// Header is where the token goes: "x-amz-access-token" for the Selling Partner API.
	// Empty: "Authorization", after the word Bearer.
	Header string
	// Base sends the requests; nil: [http.DefaultTransport].
	Base http.RoundTripper
}

var errPlainHTTP = errors.New("lwa: the access token would travel unencrypted: use https")

// RoundTrip implements [http.RoundTripper]. Its errors are those of the Source, of Base, and of
// a request that the token would leave this machine with unencrypted.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if leavesHost(r) {
		return t.base().RoundTrip(r)
	}
	resp, token, err := t.send(r)
	if err != nil || TokenRefused(resp) == nil || !t.Source.Reject(token.AccessToken) {
		return resp, err
	}
	if !repeatable(r) {
		return resp, nil
	}
	if _, err := t.Source.Token(r.Context()); err != nil {
		return resp, nil //nolint:nilerr // the refusal is an answer, and says more
	}
	again, err := repeat(r)
	if err != nil {
		return resp, nil //nolint:nilerr // the refusal is an answer, and nothing else can be had
	}
	_ = resp.Body.Close() // the answer is given up
	resp, _, err = t.send(again)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// send sends r once, with a token. It closes the body of r, as a RoundTripper must.
func (t *Transport) send(r *http.Request) (*http.Response, *Token, error) {
	token, err := t.token(r.Context(), r.URL)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // nothing was read from it
		}
		return nil, nil, err
	}
	sent := r.Clone(r.Context())
	if t.Header == "" {
		sent.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	} else {
		sent.Header.Set(t.Header, token.AccessToken.Reveal())
	}
	resp, err := t.base().RoundTrip(sent)
	if resp != nil {
		resp.Request = r
	}
	return resp, token, err
}

func (t *Transport) token(ctx context.Context, to *url.URL) (*Token, error) {
	switch {
	case t.Source == nil:
		return nil, errors.New("lwa: the Transport has no Source")
	case to.Scheme != "https" && !isLocal(to.Hostname()):
		return nil, errPlainHTTP
	}
	token, err := t.Source.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("lwa: getting an access token for %s: %w", to.Host, err)
	}
	return token, nil
}

// CloseIdleConnections closes those of Base, where it can, as [http.Client.CloseIdleConnections]
// asks of it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// leavesHost reports whether r follows a redirect, and any of the requests before it went
// to another host, or by another scheme.
func leavesHost(r *http.Request) bool {
	for before := r; before.Response != nil && before.Response.Request != nil; {
		before = before.Response.Request
		if before.URL.Scheme != r.URL.Scheme || !strings.EqualFold(before.URL.Host, r.URL.Host) {
			return true
		}
	}
	return false
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// repeatable reports whether there is a body for another attempt, or none is needed.
func repeatable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// repeat returns r with a body that has not been read, which is the caller's to close.
func repeat(r *http.Request) (*http.Request, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = body
	return again, nil
}

// maxRefusal is how much of a refusal is looked at, in bytes.
const maxRefusal = 4 << 10

// TokenRefused returns an [*Error] with Op api and Code invalid_token where an API refuses
// the access token of a request so that a new one may help, nil for any other answer:
//
//   - 401, unless it says insufficient_scope, or that the client secret has expired;
//   - 403 "Request is not authorized." of the Appstore's APIs;
//   - 403 of the Selling Partner API for a token that has expired, was revoked or is
//     malformed;
//   - 400 "Invalid token" of the Dash Replenishment Service;
//   - 400 or 403 invalid_token, as LWA's own profile has it.
//
// The last two have to be all of a text, such as a JSON string.
//
// The first 4 KiB of the body are looked at. The body can still be read whole afterwards.
func TokenRefused(resp *http.Response) error {
	if resp == nil {
		return nil
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest:
	default:
		return nil
	}
	text := peek(resp)
	if resp.StatusCode != http.StatusUnauthorized && !refusesToken(resp.StatusCode, text) || noTokenHelps(resp.Header, text) {
		return nil
	}
	return &Error{Op: opAPI, StatusCode: resp.StatusCode, Code: InvalidToken, Description: "the API refuses the access token"}
}

func refusesToken(status int, text string) bool {
	if status != http.StatusForbidden {
		return allOfText().MatchString(text)
	}
	for _, phrase := range forbidden {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	code := allOfText().FindStringSubmatch(text)
	return code != nil && code[1] == string(InvalidToken)
}

// Source: developer.amazon.com/docs/app-submission-api/auth.html;
// developer-docs.amazon.com/sp-api/docs/authorization-errors
var forbidden = []string{ // in lower case
	"request is not authorized",
	"access token you provided has expired",
	"access token you provided is revoked, malformed or invalid",
}

// allOfText finds a refusal that stands alone between quotes or tags, or in the whole body: in
// a longer sentence it may be about another kind of token.
var allOfText = pattern(`(?:^\s*|["'>])(invalid[ _]token)\.?(?:\s*$|["'<\\])`)

// noTokenHelps: no new token comes of an expired client secret, and a new one has the scope of
// the old one.
func noTokenHelps(h http.Header, text string) bool {
	const scope = string(InsufficientScope)
	return strings.Contains(text, "lwa secret token you provided has expired") ||
		strings.Contains(text, scope) || strings.Contains(h.Get("WWW-Authenticate"), scope)
}

// peek returns the beginning of the body, in lower case, and puts it back.
func peek(resp *http.Response) string {
	if resp.Body == nil {
		return ""
	}
	start, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = broken{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(string(start)), rest), resp.Body}
	return strings.ToLower(string(start))
}

// broken is where a body broke off.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
