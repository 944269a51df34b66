package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/grants"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/pkg/lwa"
)

// signedIn is what a sign-in has brought, without any token.
type signedIn struct {
	Event     string    `json:"event"` // signed_in
	ClientID  string    `json:"client_id"`
	Customer  string    `json:"customer_id"` // "": not known
	Scopes    []string  `json:"scopes"`
	Renewable bool      `json:"renewable"`
	Expiry    time.Time `json:"expiry"`
	Stored    string    `json:"stored"`
}

// keep stores what the customer has given before anything is done with it, and then asks
// who that was. ctx does not end.
func (l *login) keep(ctx context.Context, token *lwa.Token) error {
	g := grants.New(grants.Customer, &l.party.Client, l.party.region, l.Scopes)
	g.Device, g.Public = l.Device, g.Public || l.Device
	f, err := l.open(ctx)
	if err != nil {
		return err
	}
	if err = f.Add(ctx, g, token); err == nil {
		g.CustomerID, err = l.customer(ctx, f, g, token)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.report(signedIn{"signed_in", g.ClientID, g.CustomerID, g.Scopes, !token.RefreshToken.IsZero(), token.Expiry, f.Path()})
	return nil
}

// openPatience is how long another command may have the sign-ins open before a person is told.
const openPatience = 300 * time.Millisecond

// open waits for another command that has the sign-ins open for as long as that takes: what
// the customer has given can't be had twice.
func (l *login) open(ctx context.Context) (*grants.File, error) {
	for told := false; ; told = true {
		limited, cancel := context.WithTimeout(ctx, openPatience)
		f, err := local.OpenGrants(limited, l.data, l.party.now)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return f, err
		}
		if !told {
			l.note("Another restock login or token has the sign-ins open; this one is stored once that has ended.")
		}
	}
}

// verifyTimeout is short: the customer waits for the last page, and who that was is no more
// than a name.
const verifyTimeout = 5 * time.Second

// customer asks who has given a grant, and notes it. A grant is as good without. One whose
// token turns out to be another application's is dropped.
func (l *login) customer(ctx context.Context, f *grants.File, g grants.Grant, token *lwa.Token) (string, error) {
	limited, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	info, err := l.party.VerifyToken(limited, token.AccessToken)
	switch {
	case errors.As(err, new(*lwa.AudienceError)):
		return "", errors.Join(err, f.Remove(ctx, g))
	case err != nil:
		return "", nil //nolint:nilerr // the grant is as good without a name
	}
	return info.UserID, f.SetCustomer(ctx, g, info.UserID)
}

func (l *login) report(s signedIn) {
	l.progress("")
	if l.JSON {
		_ = l.json(s) // a line of output
		return
	}
	as := ""
	if s.Customer != "" {
		as = " as " + s.Customer
	}
	l.printf("%s Signed in%s, for %s.", l.mark(true), as, strings.Join(s.Scopes, " "))
	l.printf("  The grant is in %s, sealed.", s.Stored)
	if !s.Renewable {
		l.printf("  Amazon gave no refresh token: it ends at %s.", s.Expiry.Add(-l.party.ahead).Local().Format("15:04"))
	}
	l.printf("\nAn access token: %s", l.bold(self()+" token"+scopeFlags(s.Scopes)+l.dataFlag()))
}

// scopeFlags are those that name scopes on a command line.
func scopeFlags(scopes []string) (flags string) {
	for _, scope := range scopes {
		flags += " --scope " + shellWord(scope)
	}
	return flags
}
