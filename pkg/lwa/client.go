package lwa

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks for one LWA client. Its methods may be called at the same time; its
// fields must not be changed meanwhile.
type Client struct {
	// ClientID names the client; at most 100 bytes. Required.
	ClientID string
	// ClientSecret authenticates it. Zero: a public client, as apps and devices are.
	ClientSecret Secret
	// RedirectURL is where Amazon sends the browser back to, exactly as registered.
	// Required for AuthCodeURL and Exchange, which both send it.
	RedirectURL string
	// Endpoint is where LWA answers; zero: Amazon's hosts in [NA].
	Endpoint Endpoint
	// HTTPClient sends the requests; nil: one with a timeout of 10 seconds. One that has no
	// timeout waits as long as ctx lives. Its CheckRedirect is not used, since no redirect is
	// followed.
	HTTPClient *http.Client
	// Now tells the time; nil: [time.Now].
	Now func() time.Time
	// Wait waits for d between two polls of [Client.AwaitCodePair], and returns early with
	// the cause when ctx ends; nil: a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// maxClientID is the length of a client ID, in bytes. Source:
// developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
const maxClientID = 100

var (
	errNoClientID     = errors.New("the ClientID is empty")
	errLongClientID   = errors.New("the ClientID is over 100 bytes")
	errNoClientSecret = errors.New("the ClientSecret is empty: only a client with a secret can have a token of its own")
	errNoRedirectURL  = errors.New("the RedirectURL is empty")
	errNoScope        = errors.New("there is no scope")
)

// ErrNoRefreshToken says that there is nothing to refresh with: for some scopes Amazon sends
// a refresh token only to a client with a secret. The customer has to sign in again.
var ErrNoRefreshToken = errors.New("there is no refresh token")

// Exchange trades the code of one sign-in for tokens. The verifier is the one whose
// challenge was sent with the customer; zero: none was.
//
// A code works once, so the request is sent once: after a [*TransportError], or an
// [*Error] that is Temporary, the code may be used up, and the customer has to start
// again.
//
// Expiry is UTC: expires_in, in seconds, added to c.Now read before the request.
// RefreshToken is zero when Amazon sends none, as for some scopes where there is no secret.
//
// Errors: [*Error] when Amazon refuses, with Code invalid_grant for a code that is
// used, old or for another client or redirect URL, unauthorized_client for a verifier
// that doesn't fit; [*TransportError] when no answer arrived.
//
// Source: RFC 6749 §4.1.3, RFC 7636 §4.5;
// developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
func (c *Client) Exchange(ctx context.Context, code string, verifier Secret) (*Token, error) {
	switch {
	case code == "":
		return nil, errors.New("lwa: exchange: the code is empty")
	case c.RedirectURL == "":
		return nil, usage(opExchange, errNoRedirectURL)
	}
	form := url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code},
		"redirect_uri": {c.RedirectURL},
	}
	if !verifier.IsZero() {
		form.Set("code_verifier", verifier.Reveal())
	}
	return c.askToken(ctx, opExchange, form)
}

// Refresh trades refreshToken for a new access token.
//
// Expiry is UTC: expires_in, in seconds, added to c.Now read before the request.
// The result repeats refreshToken when Amazon sends no new one.
//
// Errors: [*Error] when Amazon refuses, with Code invalid_grant once the customer
// has withdrawn consent; [*TransportError] when no answer arrived; [ErrNoRefreshToken].
//
// Source: RFC 6749 §6; developer.amazon.com/docs/login-with-amazon/refresh-token.html
func (c *Client) Refresh(ctx context.Context, refreshToken Secret) (*Token, error) {
	if refreshToken.IsZero() {
		return nil, usage(opRefresh, ErrNoRefreshToken)
	}
	t, err := c.askToken(ctx, opRefresh, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken.Reveal()},
	})
	if err != nil {
		return nil, err
	}
	if t.RefreshToken.IsZero() {
		t.RefreshToken = refreshToken
	}
	return t, nil
}

// ClientCredentials gets an access token for the application itself rather than for
// a customer, as the App Submission API ([ScopeAppSubmission]) and the Appstore's
// reporting ([ScopeAppstoreReporting]) want it. It has no refresh token: ask again
// when it has expired, and not before; [Client.ClientCredentialsSource] sees to that.
//
// Token.Scope is what was granted. Expiry is as in [Client.Refresh].
//
// Errors: [*Error] when Amazon refuses, with Code invalid_client for a wrong ID or secret,
// invalid_scope for a scope that is unknown or whose API the security profile is not
// attached to; [*TransportError] when no answer arrived.
//
// Source: RFC 6749 §4.4; developer.amazon.com/docs/app-submission-api/auth.html
func (c *Client) ClientCredentials(ctx context.Context, scopes ...string) (*Token, error) {
	if err := checkScopes(scopes); err != nil {
		return nil, usage(opCredentials, err)
	}
	if c.ClientSecret.IsZero() {
		return nil, usage(opCredentials, errNoClientSecret)
	}
	return c.askToken(ctx, opCredentials, url.Values{
		"grant_type": {"client_credentials"},
		"scope":      {strings.Join(scopes, " ")},
	})
}

// askToken sends one token request of this client. Credentials go in the body and nowhere
// else: trying the header first would use up a code.
func (c *Client) askToken(ctx context.Context, op string, form url.Values) (*Token, error) {
	if err := c.checkClientID(); err != nil {
		return nil, usage(op, err)
	}
	form.Set("client_id", c.ClientID)
	if !c.ClientSecret.IsZero() {
		form.Set("client_secret", c.ClientSecret.Reveal())
	}
	return c.sendToken(ctx, op, form)
}

// sendToken sends a token request as it is.
func (c *Client) sendToken(ctx context.Context, op string, form url.Values) (*Token, error) {
	asked := c.now()
	a, err := c.post(ctx, op, "/auth/o2/token", form)
	if err != nil {
		return nil, err
	}
	return a.token(asked)
}

func (c *Client) checkClientID() error {
	switch {
	case c.ClientID == "":
		return errNoClientID
	case len(c.ClientID) > maxClientID:
		return errLongClientID
	}
	return nil
}

const formType = "application/x-www-form-urlencoded;charset=UTF-8"

func (c *Client) post(ctx context.Context, op, path string, form url.Values) (*answer, error) {
	req, err := c.newRequest(ctx, op, http.MethodPost, path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", formType)
	return c.do(op, req, sentIn(form))
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
