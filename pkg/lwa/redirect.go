package lwa

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
)

// ErrState says that a redirect doesn't belong to the sign-in that the browser began.
var ErrState = errors.New("the state is not that of this sign-in")

// AuthResponse is what the authorize page sends the browser back with.
type AuthResponse struct {
	// Code is for [Client.Exchange].
	Code string `json:"-"`
	// Scopes are what the customer agreed to, which can be less than was asked; empty
	// where Amazon doesn't tell.
	Scopes []string
}

// String shows the scopes only.
func (r AuthResponse) String() string {
	return "lwa.AuthResponse(" + strings.Join(r.Scopes, " ") + ")"
}

// GoString shows the scopes only.
func (r AuthResponse) GoString() string { return r.String() }

// ReadRedirect reads the query of the redirect URL. State is the one of the browser's
// session; a redirect with another one is not looked at any further.
//
// Errors: [ErrState]; [*Error] with Op authorize and a Code such as access_denied when
// the customer or Amazon refused.
//
// Source: RFC 6749 §4.1.2; developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
func ReadRedirect(q url.Values, state string) (*AuthResponse, error) {
	sent, err := once(q, "state")
	if err != nil {
		return nil, err
	}
	if state == "" || subtle.ConstantTimeCompare([]byte(sent), []byte(state)) != 1 {
		return nil, usage(opAuthorize, ErrState)
	}
	code, err := once(q, "code")
	if err != nil {
		return nil, err
	}
	if raw := q.Get("error"); raw != "" {
		sent := []string{code, state}
		e := &Error{Op: opAuthorize, Description: tidy(q.Get("error_description"), maxDescription, sent)}
		e.setCode(tidy(raw, maxCode, sent))
		return nil, e
	}
	if code == "" || !usable(code) {
		return nil, usage(opAuthorize, errors.New("the redirect has neither a usable code nor an error"))
	}
	return &AuthResponse{Code: code, Scopes: strings.Fields(tidy(q.Get("scope"), maxScope, nil))}, nil
}

// once refuses a parameter that is repeated: which of them counts, would be a guess.
func once(q url.Values, name string) (string, error) {
	if len(q[name]) > 1 {
		return "", usage(opAuthorize, errors.New("the redirect repeats "+name))
	}
	return q.Get(name), nil
}
