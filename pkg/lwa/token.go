package lwa

import (
	"log/slog"
	"strings"
	"time"
)

// Limits on a token answer.
const (
	// maxToken is the length of an access or refresh token, in bytes. Source:
	// developer.amazon.com/docs/login-with-amazon/access-token.html and refresh-token.html.
	maxToken = 2048
	// maxExpiresIn is 30 days in seconds. Access tokens live an hour; a claim beyond this
	// is a mistake, and to believe it would mean to use a dead token.
	maxExpiresIn = 30 * 24 * 3600
	maxScope     = 4096
)

// Token is what an exchange or a refresh gives. Printed, logged or marshalled it shows
// no token, so it can't be stored as JSON: store what Reveal returns of both tokens, sealed,
// and the Expiry.
type Token struct {
	// AccessToken is the bearer token for calls, at most 2048 bytes of printable ASCII.
	AccessToken Secret `json:"-"`
	// RefreshToken gets the next access token. Zero: there is none, and the customer has
	// to sign in again after Expiry.
	RefreshToken Secret `json:"-"`
	// TokenType is bearer, in whatever case Amazon sent it.
	TokenType string
	// Expiry is when the access token stops working, in UTC.
	Expiry time.Time
	// Scope is what was granted, separated by spaces; usually empty, since LWA tells it
	// in the redirect and not here.
	Scope string
}

// Refreshable reports whether there is a refresh token. Client credentials get none, nor
// does, for some scopes, a client without a secret.
func (t Token) Refreshable() bool { return !t.RefreshToken.IsZero() }

// String shows the expiry only.
func (t Token) String() string {
	return "lwa.Token(expires " + t.Expiry.Format(time.RFC3339) + ")"
}

// GoString shows the expiry only.
func (t Token) GoString() string { return t.String() }

// LogValue shows the expiry only.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.Time("expiry", t.Expiry))
}

// token reads a token answer, asked for at asked. What it returns can be used:
// anything that can't is an *Error.
func (a *answer) token(asked time.Time) (*Token, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	access, _ := o.text("access_token")
	refresh, refreshOK := o.text("refresh_token")
	kind, _ := o.text("token_type")
	expiresIn, expiresOK := o.seconds("expires_in", maxExpiresIn)
	switch {
	case !usable(access):
		return nil, a.unusable("the answer has no usable access_token")
	case !refreshOK || refresh != "" && !usable(refresh):
		return nil, a.unusable("the answer has an unusable refresh_token")
	case !strings.EqualFold(kind, "bearer"):
		return nil, a.unusable("the answer's token_type is not bearer")
	case !expiresOK || expiresIn == 0:
		return nil, a.unusable("the answer's expires_in is missing or makes no sense")
	}
	scope, _ := o.text("scope")
	return &Token{
		AccessToken:  NewSecret(access),
		RefreshToken: NewSecret(refresh),
		TokenType:    kind,
		Expiry:       asked.Add(time.Duration(expiresIn) * time.Second).UTC().Round(0),
		Scope:        tidy(scope, maxScope, nil),
	}, nil
}

// usable reports whether a token can travel: in a header there is no room for
// spaces, control characters or anything beyond ASCII.
func usable(token string) bool {
	return token != "" && len(token) <= maxToken &&
		!strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
