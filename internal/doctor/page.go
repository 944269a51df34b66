package doctor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/pkg/lwa"
)

// pageState is what the authorize page tells.
type pageState int

const (
	pageSilent        pageState = iota // it says nothing about client and redirect URL
	pageUnreachable                    // it gives no answer
	pageUnknownClient                  // it does not know the client
	pageBadRedirect                    // it knows the client, but not the redirect URL
	pageGood                           // it knows both
)

// authorizePage is the answer of the authorize page to a browser that nobody uses.
type authorizePage struct {
	state  pageState
	scopes bool // it does not let the client ask for dash:replenish
}

func (p authorizePage) knowsClient() bool { return p.state == pageBadRedirect || p.state == pageGood }

// maxPage bounds what is read of a page; what matters stands in its text.
const maxPage = 512 << 10

// page opens the authorize page. At Amazon it asks as a real sign-in does, and comes no
// further than to a form. A sandbox may be set to have its customer agree at once, so there
// it asks for an answer that cannot be given, which is refused only after client and
// redirect URL were found good.
//
// Source: RFC 6749 §4.1.2.1
func (l *LWA) page(ctx context.Context) authorizePage {
	if l.Client.RedirectURL == "" {
		return authorizePage{}
	}
	address, err := l.Client.AuthCodeURL(lwa.AuthRequest{
		State: "restock-doctor", Scopes: []string{"dash:replenish"}, CodeChallenge: lwa.Challenge(lwa.NewVerifier()),
		ScopeData: map[string]any{"dash:replenish": map[string]string{"device_model": "restock-doctor", "serial": "1"}},
	})
	if err != nil {
		return authorizePage{}
	}
	if !l.atAmazon() {
		u, err := url.Parse(address)
		if err != nil {
			return authorizePage{}
		}
		q := u.Query()
		q.Set("response_type", "none")
		u.RawQuery = q.Encode()
		address = u.String()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return authorizePage{}
	}
	stay := *l.HTTPClient
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := stay.Do(req)
	if err != nil {
		return authorizePage{state: pageUnreachable}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxPage)) // half a page is better than none
	return l.read(res, strings.ToLower(string(text)))
}

func (l *LWA) read(res *http.Response, text string) authorizePage {
	switch {
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return authorizePage{}
	case res.StatusCode >= 400:
		switch {
		case strings.Contains(text, "unknown client"):
			return authorizePage{state: pageUnknownClient}
		case strings.Contains(text, "bad-redirect-uri"), strings.Contains(text, "allowed return url"), strings.Contains(text, "whitelisted"):
			return authorizePage{state: pageBadRedirect}
		}
		return authorizePage{}
	case res.StatusCode >= 300:
		to, err := res.Location()
		if err != nil {
			return authorizePage{}
		}
		scope := to.Query().Get("error") == string(lwa.InvalidScope) && strings.HasPrefix(to.String(), l.Client.RedirectURL)
		return authorizePage{state: pageGood, scopes: scope}
	}
	return authorizePage{state: pageGood}
}

// redirect checks the redirect URL by itself, and as far as the authorize page tells.
func (l *LWA) redirect(f *Findings, page authorizePage) {
	const check = "redirect URL"
	at := l.Client.RedirectURL
	u, err := pairing.ParseRedirectURL(at)
	switch {
	case at == "":
		f.Warn(check, l.Names.RedirectURL, "Set it to one of the Allowed Return URLs in the Web Settings of the security profile.", "It is not set, so it was not checked.")
		return
	case err != nil:
		f.Fail(check, l.Names.RedirectURL, "Use https (http only on this machine), and no user, query or fragment.", "It is no URL that Amazon sends a browser back to.")
		return
	}
	registered := "Enter " + at + " among the Allowed Return URLs in the Web Settings of the security profile, to the letter: scheme, host, port and every slash count."
	switch {
	case page.state == pageBadRedirect:
		f.Fail(check, l.Names.RedirectURL, registered, "Login with Amazon does not know %s for this client.", at)
	case page.state != pageGood:
		f.Warn(check, l.Names.RedirectURL, registered, "Login with Amazon did not tell whether %s is registered.", at)
	case pairing.IsLoopback(u.Hostname()) && l.atAmazon():
		f.Warn(check, l.Names.RedirectURL, "Customers need an https address that they can reach.", "%s is registered, and works in browsers on this machine alone.", at)
	default:
		f.OK(check, "%s is registered.", at)
	}
}

func (l *LWA) scope(f *Findings, page authorizePage) {
	if page.scopes {
		f.Fail("scope", "the security profile", "Have Dash Replenishment enabled for it in Amazon's developer console, and use device models that are defined there.",
			"Login with Amazon does not let this client ask for dash:replenish.")
	}
}
