package lwa

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// maxIdentifier bounds the identifiers in a tokeninfo answer, in bytes.
const maxIdentifier = 512

// latest is the end of the year 9999 in Unix seconds, the last that RFC 3339 can write.
const latest = 253402300799

// TokenInfo is what LWA says of an access token.
type TokenInfo struct {
	// Issuer is https://www.amazon.com.
	Issuer string
	// UserID is the customer, amzn1.account.…; empty for a token that is nobody's.
	UserID string
	// Audience is the client ID that the token was issued to. A token with another
	// one than yours proves nothing to you.
	Audience string
	// AppID is the application of that client, amzn1.application.…
	AppID string
	// ExpiresIn is how long the token still works, in whole seconds.
	ExpiresIn time.Duration
	// IssuedAt is when it was issued, in UTC; zero: not told.
	IssuedAt time.Time
}

// TokenInfo asks LWA whose token it is, and compares nothing: for a token that came from
// elsewhere, a browser, an app or a device, call [Client.VerifyToken]. Where several clients
// are yours, call [TokenInfo.For] with the ID of each.
//
// The token travels in a header, so that it gets into no log of URLs: Amazon documents a query
// parameter for this call, and its own Amazon Pay SDK sends the header.
//
// Errors: [*Error] with Code invalid_token for a token that has expired, was revoked
// or never was one; [*TransportError] when no answer arrived.
//
// Source: developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html
func (c *Client) TokenInfo(ctx context.Context, accessToken Secret) (*TokenInfo, error) {
	a, err := c.getWith(ctx, opTokenInfo, "/auth/o2/tokeninfo", accessToken)
	if err != nil {
		return nil, err
	}
	return a.tokenInfo()
}

// VerifyToken is TokenInfo for a token that came from elsewhere, a browser, an app or
// a device: it returns what LWA says of the token only if it was issued to c.ClientID.
//
// Errors: [*AudienceError] for a token of another application, and those of TokenInfo.
//
// Source: developer.amazon.com/docs/login-with-amazon/impersonating-resource-owner.html
func (c *Client) VerifyToken(ctx context.Context, accessToken Secret) (*TokenInfo, error) {
	if err := c.checkClientID(); err != nil {
		return nil, usage(opTokenInfo, err)
	}
	info, err := c.TokenInfo(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	if err := info.For(c.ClientID); err != nil {
		return nil, err
	}
	return info, nil
}

// For returns an [*AudienceError] unless the token was issued to clientID. Any application
// can get a valid token of the same customer: only one issued to you proves that the
// customer signed in to you.
func (t *TokenInfo) For(clientID string) error {
	if clientID != "" && t.Audience == clientID {
		return nil
	}
	return &AudienceError{ClientID: clientID, Audience: t.Audience}
}

// AudienceError says that an access token was issued to another application.
type AudienceError struct {
	ClientID string // whose it had to be
	Audience string // whose it is
}

// Error implements error.
func (e *AudienceError) Error() string {
	return fmt.Sprintf("lwa: the access token was issued to client %.100q, not to %.100q", e.Audience, e.ClientID)
}

// getWith asks about an access token.
func (c *Client) getWith(ctx context.Context, op, path string, accessToken Secret) (*answer, error) {
	if !usable(accessToken.Reveal()) {
		return nil, usage(op, errors.New("the access token is empty, over 2048 bytes or no printable ASCII"))
	}
	req, err := c.newRequest(ctx, op, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("x-amz-access-token", accessToken.Reveal())
	return c.do(op, req, []string{accessToken.Reveal()})
}

func (a *answer) tokenInfo() (*TokenInfo, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	var info TokenInfo
	for name, field := range map[string]*string{
		"iss": &info.Issuer, "user_id": &info.UserID, "aud": &info.Audience, "app_id": &info.AppID,
	} {
		s, ok := o.text(name)
		if !ok || tidy(s, maxIdentifier, a.sent) != s {
			return nil, a.unusable("the answer's " + name + " can't be used")
		}
		*field = s
	}
	left, ok := o.seconds("exp", maxExpiresIn)
	switch {
	case info.Audience == "":
		return nil, a.unusable("the answer has no aud")
	case !ok:
		return nil, a.unusable("the answer's exp is missing or makes no sense")
	}
	info.ExpiresIn = time.Duration(left) * time.Second
	if issued, ok := o.seconds("iat", latest); ok && issued > 0 {
		info.IssuedAt = time.Unix(issued, 0).UTC()
	}
	return &info, nil
}
