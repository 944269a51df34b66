package lwa

import (
	"context"
	"errors"
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

// TokenInfo asks LWA whose token it is. The token travels in a header, so that it
// gets into no log of URLs.
//
// Errors: [*Error] with Code invalid_token for a token that has expired, was revoked
// or never was one; [*TransportError] when no answer arrived.
//
// Source: developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html
func (c *Client) TokenInfo(ctx context.Context, accessToken Secret) (*TokenInfo, error) {
	if !usable(accessToken.Reveal()) {
		return nil, usage(opTokenInfo, errors.New("the access token is empty, over 2048 bytes or no printable ASCII"))
	}
	req, err := c.newRequest(ctx, opTokenInfo, http.MethodGet, "/auth/o2/tokeninfo", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("x-amz-access-token", accessToken.Reveal())
	a, err := c.do(opTokenInfo, req, []string{accessToken.Reveal()})
	if err != nil {
		return nil, err
	}
	return a.tokenInfo()
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
