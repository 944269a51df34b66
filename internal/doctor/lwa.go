package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// LWA is our client at a Login with Amazon. Client needs an ID; RedirectURL may be empty.
type LWA struct {
	Client lwa.Client
	Region lwa.Region
	Public []string // client IDs of companion apps
	Names  Names
	// HTTPClient sends the requests; nil: one with a timeout.
	HTTPClient *http.Client
	Now        func() time.Time // nil: time.Now
}

// callTimeout is for one call. Who waits is a person.
const callTimeout = 10 * time.Second

// CheckLWA checks the client ID, its secret, the redirect URL, the region's host and the
// clock, by two calls that can't succeed: a refresh with a token that never was one, which
// LWA refuses with invalid_client or with invalid_grant, and the authorize page.
func CheckLWA(ctx context.Context, l LWA) (f Findings) {
	seen := l.watch()
	page := l.page(ctx)
	answer := l.bogusRefresh(ctx)
	l.hosts(&f)
	if !l.reached(&f, page, answer) {
		return f
	}
	l.client(&f, page, answer)
	l.redirect(&f, page)
	l.scope(&f, page)
	l.public(ctx, &f)
	l.clock(ctx, &f, seen)
	return f
}

// watch has the client note the Date of what it gets.
func (l *LWA) watch() *dates {
	if l.HTTPClient == nil {
		l.HTTPClient = &http.Client{Timeout: callTimeout}
	}
	if l.Now == nil {
		l.Now = time.Now
	}
	next := l.HTTPClient.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	seen := &dates{next: next, now: l.Now}
	watched := *l.HTTPClient
	watched.Transport = seen
	l.HTTPClient = &watched
	l.Client.HTTPClient = &watched
	return seen
}

// bogusRefresh returns LWA's refusal.
func (l *LWA) bogusRefresh(ctx context.Context) error {
	_, err := l.Client.Refresh(ctx, lwa.NewSecret("Atzr|restock-doctor-"+rand.Text()))
	return err
}

// atAmazon reports whether it is Amazon itself.
func (l *LWA) atAmazon() bool { return regionOf(l.Client.Endpoint.APIURL) != "" }

// reached says whether LWA answers at all.
func (l *LWA) reached(f *Findings, page authorizePage, answer error) bool {
	const check = "Login with Amazon"
	var refused *lwa.Error
	var silence *lwa.TransportError
	switch {
	case errors.As(answer, &silence):
		f.Fail(check, l.Names.LWAURL, lwa.Explain(answer), "%s gives no answer.", l.Client.Endpoint.APIURL)
		return false
	case answer == nil:
		f.Fail(check, l.Names.LWAURL, "Set the address of Login with Amazon; Amazon's own needs none.", "%s renews a token that never was one, so it is not Login with Amazon.", l.Client.Endpoint.APIURL)
		return false
	case !errors.As(answer, &refused): // nothing was sent
		f.Fail(check, l.Names.ClientID, "Set it as it is shown in the Web Settings of the security profile.", "The client ID can't be one.")
		return false
	case refused.Temporary() && !refused.NotJSON, refused.StatusCode >= 500, refused.StatusCode == http.StatusTooManyRequests:
		f.Warn(check, "", "Run restock doctor again in a few minutes.", "Login with Amazon is in trouble (%d), so it did not tell about the client.", refused.StatusCode)
		return false
	case refused.NotJSON || refused.Code == "":
		f.Fail(check, l.Names.LWAURL, lwa.Explain(answer), "What answers at %s is not Login with Amazon.", l.Client.Endpoint.APIURL)
		return false
	}
	if page.state == pageUnreachable {
		f.Warn(check, l.Names.AuthorizeURL, "Look at the network, and at this setting if you made it.", "%s answers, but its authorize page can't be reached.", l.Client.Endpoint.APIURL)
		return true
	}
	f.OK(check, "%s answers.", l.Client.Endpoint.APIURL)
	return true
}

// client tells a wrong ID from a wrong secret: the authorize page knows the ID alone.
func (l *LWA) client(f *Findings, page authorizePage, answer error) {
	const inConsole = "Copy it from the Web Settings of the security profile in Amazon's developer console"
	ofSandbox := ""
	if strings.HasPrefix(l.Client.Endpoint.APIURL, "http://") { // Amazon has https alone
		ofSandbox = " Is it restock sandbox? That prints its own at each start, and without --data it is another each time."
	}
	refusedClient := errors.Is(answer, lwa.InvalidClient)
	switch {
	case page.state == pageUnknownClient:
		f.Fail("client ID", l.Names.ClientID, inConsole+"; it begins with amzn1.application-oa2-client."+ofSandbox, "Login with Amazon does not know this client ID.")
		return
	case refusedClient && !page.knowsClient():
		f.Fail("client ID, client secret", l.Names.ClientID+", "+l.Names.ClientSecret, inConsole+", both of the same profile."+ofSandbox, "Login with Amazon refuses the client ID or its secret; which of them, it does not tell.")
		return
	case !strings.HasPrefix(l.Client.ClientID, "amzn1.application-oa2-client."):
		f.Warn("client ID", l.Names.ClientID, inConsole+".", "The client ID does not begin with amzn1.application-oa2-client. as Amazon's do.")
	default:
		f.OK("client ID", "Login with Amazon knows it.")
	}
	switch {
	case refusedClient && l.Client.ClientSecret.IsZero():
		f.Fail("client secret", l.Names.ClientSecret, inConsole+".", "There is none, and Login with Amazon wants one of this client.")
	case refusedClient && quoted(l.Client.ClientSecret):
		f.Fail("client secret", l.Names.ClientSecret, "Take off the quotes, which have become a part of it.", "The client secret is not that of the client ID: it stands in quotes.")
	case refusedClient:
		f.Fail("client secret", l.Names.ClientSecret, inConsole+"; it may have been replaced there."+ofSandbox, "The client secret is not that of the client ID.")
	case errors.Is(answer, lwa.InvalidGrant) && l.Client.ClientSecret.IsZero():
		f.Warn("client secret", l.Names.ClientSecret, "Set it; only apps and devices, which can't keep a secret, go without.", "There is none.")
	case errors.Is(answer, lwa.InvalidGrant):
		f.OK("client secret", "Login with Amazon takes it.")
	default:
		f.Warn("client secret", l.Names.ClientSecret, lwa.Explain(answer), "Login with Amazon did not tell whether it is right.")
	}
}

// quoted reports whether a secret has kept the quotes of the file that it comes from.
func quoted(s lwa.Secret) bool {
	return strings.ContainsAny(s.Reveal()[:1], "\"'`")
}

// public checks the client IDs of companion apps, which have no secret to be tried: the
// authorize page knows them, or does not.
func (l *LWA) public(ctx context.Context, f *Findings) {
	const check = "public clients"
	known := 0
	for _, id := range l.Public {
		app := *l
		app.Client.ClientID, app.Client.ClientSecret = id, lwa.Secret{}
		switch page := app.page(ctx); {
		case page.knowsClient():
			known++
		case page.state == pageUnknownClient:
			f.Fail(check, l.Names.PublicClients, "Copy it from the security profile of the companion app, or take it out.", "Login with Amazon does not know the client ID %s.", id)
		default:
			f.Warn(check, l.Names.PublicClients, "Compare it with the security profile of the companion app.", "Login with Amazon did not tell whether it knows the client ID %s.", id)
		}
	}
	if known > 0 {
		f.OK(check, "Login with Amazon knows %d of companion apps.", known)
	}
}
