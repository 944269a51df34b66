package lwa

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits on the answer to a request for a code pair.
const (
	maxUserCode = 64
	maxPageURL  = 2048
	// maxPairLife and maxInterval are in seconds. Amazon's samples are 600 and 30.
	maxPairLife = 24 * 3600
	maxInterval = 600
	// defaultInterval is RFC 8628's, for an answer that names none.
	defaultInterval = 5 * time.Second
)

// CodePairRequest is what to ask of the customer of a device without a browser.
type CodePairRequest struct {
	// Scopes are as in [AuthRequest]. One at least.
	Scopes []string
	// ScopeData is as in [AuthRequest]. Nil: none.
	ScopeData any
	// Language is that of the page, such as "de-DE"; empty: Amazon's choice.
	Language string
}

// CodePair lets a customer sign in on another device than the one that asks. Printed or
// logged it shows neither code.
type CodePair struct {
	// UserCode is to be shown to the customer, who types it on the page at VerificationURL.
	UserCode string
	// DeviceCode stays with the device.
	DeviceCode Secret `json:"-"`
	// VerificationURL is Amazon's page, https://amazon.com/us/code for one.
	VerificationURL string
	// Expiry is when both codes stop working, in UTC.
	Expiry time.Time
	// Interval is the shortest time between two polls.
	Interval time.Duration
}

// String shows the page and the expiry only.
func (p CodePair) String() string {
	return "lwa.CodePair(" + p.VerificationURL + ", expires " + p.Expiry.Format(time.RFC3339) + ")"
}

// GoString shows the page and the expiry only.
func (p CodePair) GoString() string { return p.String() }

// LogValue shows the page and the expiry only.
func (p CodePair) LogValue() slog.Value {
	return slog.GroupValue(slog.String("page", p.VerificationURL), slog.Time("expiry", p.Expiry))
}

// CreateCodePair starts the sign-in of a device without a browser. Show the UserCode
// and the VerificationURL of the pair, and wait with [Client.AwaitCodePair]. It needs
// c.ClientID, and no secret. Amazon documents it for the API of [NA] alone: see [Endpoint].
//
// Expiry is UTC: expires_in, in seconds, added to c.Now read before the request.
//
// Errors: [*Error] when Amazon refuses, with Code invalid_client for an unknown client ID,
// unauthorized_client where the security profile has no code-based linking, invalid_scope;
// [*TransportError] when no answer arrived. Asking again is safe.
//
// Source: developer.amazon.com/docs/login-with-amazon/retrieve-code-other-platforms-cbl-docs.html
func (c *Client) CreateCodePair(ctx context.Context, r CodePairRequest) (*CodePair, error) {
	form, err := c.codePairForm(r)
	if err != nil {
		return nil, usage(opCodePair, err)
	}
	req, err := c.newRequest(ctx, opCodePair, http.MethodPost, "/auth/o2/create/codepair", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", formType)
	if r.Language != "" {
		req.Header.Set("Accept-Language", r.Language)
	}
	asked := c.now()
	a, err := c.do(opCodePair, req, nil)
	if err != nil {
		return nil, err
	}
	return a.codePair(asked)
}

func (c *Client) codePairForm(r CodePairRequest) (url.Values, error) {
	if err := c.checkClientID(); err != nil {
		return nil, err
	}
	if err := checkScopes(r.Scopes); err != nil {
		return nil, err
	}
	if tidy(r.Language, maxScope, nil) != r.Language {
		return nil, errors.New("the Language is no language tag")
	}
	form := url.Values{
		"response_type": {"device_code"},
		"client_id":     {c.ClientID},
		"scope":         {strings.Join(r.Scopes, " ")},
	}
	if r.ScopeData != nil {
		data, err := scopeData(r.ScopeData)
		if err != nil {
			return nil, err
		}
		form.Set("scope_data", data)
	}
	return form, nil
}

func (a *answer) codePair(asked time.Time) (*CodePair, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	user, _ := o.text("user_code")
	device, _ := o.text("device_code")
	page, _ := o.text("verification_uri")
	life, lifeOK := o.seconds("expires_in", maxPairLife)
	interval, intervalOK := o.seconds("interval", maxInterval)
	switch {
	case user == "" || len(user) > maxUserCode || !usable(user):
		return nil, a.unusable("the answer has no usable user_code")
	case !usable(device):
		return nil, a.unusable("the answer has no usable device_code")
	case !isPage(page):
		return nil, a.unusable("the answer's verification_uri is no URL of a page")
	case !lifeOK || life == 0:
		return nil, a.unusable("the answer's expires_in is missing or makes no sense")
	case !intervalOK && o.has("interval"):
		return nil, a.unusable("the answer's interval makes no sense")
	}
	p := &CodePair{
		UserCode:        user,
		DeviceCode:      NewSecret(device),
		VerificationURL: page,
		Expiry:          asked.Add(time.Duration(life) * time.Second).UTC().Round(0),
		Interval:        time.Duration(interval) * time.Second,
	}
	if p.Interval == 0 {
		p.Interval = defaultInterval
	}
	return p, nil
}

// isPage reports whether s can be shown as the address of a page.
func isPage(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxPageURL && usable(s) && u.Host != "" && u.User == nil &&
		(u.Scheme == "https" || u.Scheme == "http")
}
