package interop_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/amazon"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// gothProvider is goth's provider as it comes, with a client that finds Amazon here.
func gothProvider(a *sandbox, scopes ...string) *amazon.Provider {
	me := a.Client()
	p := amazon.New(me.ClientID, me.ClientSecret.Reveal(), me.RedirectURL, scopes...)
	p.HTTPClient = a.client()
	return p
}

// gothLogin is the whole of a login.
func gothLogin(t *testing.T, a *sandbox, p *amazon.Provider) (goth.Session, goth.User) {
	t.Helper()
	session, err := p.BeginAuth("the state")
	if err != nil {
		t.Fatal(err)
	}
	page, err := session.GetAuthURL()
	if err != nil {
		t.Fatal(err)
	}
	q := agree(t, a.Server, page)
	if _, err := session.Authorize(p, url.Values{"code": {q.Get("code")}}); err != nil {
		t.Fatal(err)
	}
	user, err := p.FetchUser(session)
	if err != nil {
		t.Fatal(err)
	}
	return session, user
}

func TestGoth(t *testing.T) {
	module(t, "github.com/markbates/goth", "login, FetchUser and refresh by its Amazon provider; credentials by header or body")
	t.Run("login", gothUser)
	t.Run("without Basic", gothWithoutBasic)
}

// wantIssued wants the newest tokens to have been given for credentials sent that way.
func wantIssued(t *testing.T, a *sandbox, by string) {
	t.Helper()
	for _, e := range slices.Backward(a.Journal()) {
		if e.Outcome == "issued" {
			if !slices.Contains(e.Params, by) {
				t.Errorf("tokens were given for %v, want %s", e.Params, by)
			}
			return
		}
	}
	t.Error("no tokens were given")
}

func gothUser(t *testing.T) {
	a := newSandbox(t)
	session, user := gothLogin(t, a, gothProvider(a))
	wantIssued(t, a, "(basic)")
	want := lwatest.DefaultCustomers()[0]
	if user.UserID != want.UserID || user.Name != want.Name || user.Email != want.Email || user.Location != want.PostalCode {
		t.Errorf("user = %s, %s, %s, %s; want the customer", user.UserID, user.Name, user.Email, user.Location)
	}
	next, err := gothProvider(a).RefreshToken(user.RefreshToken)
	if err != nil || next.AccessToken == user.AccessToken {
		t.Errorf("RefreshToken() = %v", err)
	}
	if _, small := gothLogin(t, a, gothProvider(a, "profile:user_id")); small.UserID != want.UserID || small.Email != "" {
		t.Errorf("user of profile:user_id = %s, %s", small.UserID, small.Email)
	}
	if _, err := a.Revoke(lwatest.Match{}); err != nil {
		t.Fatal(err)
	}
	if _, err := gothProvider(a).FetchUser(session); err == nil {
		t.Error("FetchUser() worked after the customer had withdrawn")
	}
}

// goth has x/oauth2 find out how to authenticate: first by header, and where that is
// refused by the body. The first try must not use up the code.
func gothWithoutBasic(t *testing.T) {
	sw := lwatest.DefaultSwitches()
	sw.BasicAuth = false
	a := newSandbox(t, lwatest.Options{Switches: &sw})
	if _, user := gothLogin(t, a, gothProvider(a)); user.RefreshToken == "" {
		t.Error("the login gave no refresh token")
	}
	wantIssued(t, a, "client_secret")
}
