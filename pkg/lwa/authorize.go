package lwa

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// AuthRequest is what to ask of the customer.
type AuthRequest struct {
	// State comes back with the answer, which must be ignored when it is another one.
	// Required: unpredictable, used once, and bound to the browser. [NewState] makes one.
	State string
	// Scopes are what the customer is asked to agree to, such as [ScopeProfile] or
	// "dash:replenish". One at least.
	Scopes []string
	// ScopeData is marshalled to a JSON object with one member for each scope that
	// needs it. Nil: none.
	ScopeData any
	// CodeChallenge is the [Challenge] of the verifier that the exchange will bring;
	// empty: no PKCE.
	CodeChallenge string
}

// isChallenge reports whether s looks like an S256 challenge: 32 bytes in base64url.
func isChallenge(s string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(sum) == sha256.Size && base64.RawURLEncoding.EncodeToString(sum) == s
}

// AuthCodeURL returns the page to send the customer's browser to. It needs c.ClientID
// and c.RedirectURL, which has to be one of the Allowed Return URLs in Amazon's console,
// to the letter.
//
// Errors: what is missing or malformed in c or r.
//
// Source: developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
func (c *Client) AuthCodeURL(r AuthRequest) (string, error) {
	if err := c.checkAuthRequest(r); err != nil {
		return "", fmt.Errorf("lwa: authorize URL: %w", err)
	}
	page, err := url.Parse(c.Endpoint.authorizeURL())
	if err != nil || page.Host == "" {
		return "", errors.New("lwa: authorize URL: Endpoint.AuthorizeURL is no absolute URL")
	}
	q := page.Query()
	q.Set("client_id", c.ClientID)
	q.Set("redirect_uri", c.RedirectURL)
	q.Set("response_type", "code")
	q.Set("scope", strings.Join(r.Scopes, " "))
	q.Set("state", r.State)
	if r.ScopeData != nil {
		data, err := scopeData(r.ScopeData)
		if err != nil {
			return "", fmt.Errorf("lwa: authorize URL: %w", err)
		}
		q.Set("scope_data", data)
	}
	if r.CodeChallenge != "" {
		q.Set("code_challenge", r.CodeChallenge)
		q.Set("code_challenge_method", "S256")
	}
	page.RawQuery = q.Encode()
	return page.String(), nil
}

func (c *Client) checkAuthRequest(r AuthRequest) error {
	if err := c.checkClientID(); err != nil {
		return err
	}
	switch {
	case c.RedirectURL == "":
		return errNoRedirectURL
	case r.State == "":
		return errors.New("the State is empty")
	case r.CodeChallenge != "" && !isChallenge(r.CodeChallenge):
		return errors.New("the CodeChallenge is no S256 challenge, 43 characters of base64url")
	case r.CodeChallenge == Challenge(Secret{}):
		return errors.New("the CodeChallenge is that of an empty verifier: make one with NewVerifier, and keep it for the exchange")
	}
	return checkScopes(r.Scopes)
}

func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errNoScope
	}
	for _, s := range scopes {
		if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return fmt.Errorf("the scope %.60q is empty, or holds more than printable ASCII without spaces", s)
		}
	}
	return nil
}

func scopeData(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding ScopeData: %w", err)
	}
	if b[0] != '{' {
		return "", errors.New("the ScopeData is no JSON object")
	}
	return string(b), nil
}
