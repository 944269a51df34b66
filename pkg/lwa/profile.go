package lwa

import (
	"context"
	"log/slog"
)

// maxProfile bounds each member of a profile, in bytes.
const maxProfile = 1024

// Profile is what a customer has agreed to tell. Printed and logged it shows the UserID
// only.
type Profile struct {
	// UserID is the customer, amzn1.account.…; the same for every sign-in to your
	// applications.
	UserID string `json:"user_id"`
	// Name and Email come with the scope profile, and are empty without it. They are as the
	// customer wrote them, but for control characters and others that can't be seen.
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	// PostalCode comes with the scope postal_code, and is empty without it.
	PostalCode string `json:"postal_code,omitempty"`
}

// String shows the UserID only.
func (p Profile) String() string { return "lwa.Profile(" + p.UserID + ")" }

// GoString shows the UserID only.
func (p Profile) GoString() string { return p.String() }

// LogValue shows the UserID only.
func (p Profile) LogValue() slog.Value { return slog.GroupValue(slog.String("user_id", p.UserID)) }

// Profile asks LWA who signed in. It needs a token with the scope profile, profile:user_id
// or postal_code; for one that came from elsewhere call [Client.VerifyToken] first.
//
// Errors: [*Error] with Code invalid_token for a token that has expired, was revoked or
// never was one, insufficient_scope for a token with none of these scopes;
// [*TransportError] when no answer arrived.
//
// Source: developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html
func (c *Client) Profile(ctx context.Context, accessToken Secret) (*Profile, error) {
	a, err := c.getWith(ctx, opProfile, "/user/profile", accessToken)
	if err != nil {
		return nil, err
	}
	return a.profile()
}

func (a *answer) profile() (*Profile, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	var p Profile
	for name, field := range map[string]*string{
		"user_id": &p.UserID, "name": &p.Name, "email": &p.Email, "postal_code": &p.PostalCode,
	} {
		s, ok := o.text(name)
		if !ok || len(s) > maxProfile {
			return nil, a.unusable("the answer's " + name + " can't be used")
		}
		*field = spoken(s, a.sent)
	}
	if id, _ := o.text("user_id"); id == "" || tidy(id, maxProfile, a.sent) != id {
		return nil, a.unusable("the answer has no usable user_id")
	}
	return &p, nil
}
