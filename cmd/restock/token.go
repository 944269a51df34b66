package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/grants"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

type tokenCommand struct {
	Thing  string   `placeholder:"MODEL::SERIAL" help:"Token of this paired device, from a running restock up, its data file or a stack."`
	Scopes []string `name:"scope" placeholder:"SCOPE" sep:"none" help:"Token for this scope; may be repeated. Of the sign-in for it, else of the application itself."`

	Stack   string `placeholder:"NAME" help:"Deployed stack that the device is paired with."`
	Profile string `placeholder:"NAME" help:"With --stack: profile of the AWS command line to use."`
	Region  string `placeholder:"REGION" variable:"RESTOCK_LWA_REGION" help:"Region of LWA, na, eu or fe; with --stack: AWS region. Default: as configured."`
	lwaFlags
}

func (c *tokenCommand) Help() string {
	return `Prints a valid access token and nothing else, for scripts. One that is about to expire is renewed first.

A sign-in of restock login is used for its scope. For a scope that nobody signs in for, such as that of the App Submission
API, the application itself asks, with the client secret in RESTOCK_LWA_CLIENT_SECRET; the token is kept, sealed, and used
again until shortly before its expiry.

Exit code: 0 with a token, 3 if somebody has to sign in or pair first, 2 for a wrong command line, else 1.

Examples:

    curl -H "Authorization: Bearer $(restock token --scope appstore::apps:readwrite)" https://developer.amazon.com/api/appstore/v1/applications
    restock token --scope profile
    restock token --thing ACME-VAC-1::SN0001
    restock token --thing ACME-VAC-1::SN0001 --stack restock-prod`
}

// signInError is a token that only a person can bring back.
type signInError struct{ text string }

func (e signInError) Error() string { return e.text }

func (c *tokenCommand) Run(ctx context.Context, t *terminal) error {
	token, err := c.token(ctx, t)
	if err != nil {
		return c.needsPerson(explained(err))
	}
	_, err = fmt.Fprintln(t.out, token.Reveal())
	return err
}

func (c *tokenCommand) token(ctx context.Context, t *terminal) (lwa.Secret, error) {
	switch {
	case c.Thing != "" && len(c.Scopes) > 0:
		return lwa.Secret{}, usageError{"give --thing or --scope, not both"}
	case c.Stack != "" && c.Thing == "":
		return lwa.Secret{}, usageError{"--stack needs --thing"}
	case c.Stack == "" && c.Profile != "":
		return lwa.Secret{}, usageError{"--profile needs --stack"}
	}
	if c.Thing != "" {
		if _, err := thing.Parse(c.Thing); err != nil {
			return lwa.Secret{}, usageError{"--thing: " + err.Error()}
		}
	}
	if c.Stack != "" {
		return c.ofStack(ctx, t)
	}
	cfg, err := settings(c, config.Environ())
	if err == nil {
		err = openData(cfg)
	}
	switch {
	case err != nil:
		return lwa.Secret{}, err
	case c.Thing != "":
		return c.ofThing(ctx, cfg)
	}
	return c.ofGrant(ctx, t, cfg)
}

func (c *tokenCommand) ofThing(ctx context.Context, cfg *config.Config) (lwa.Secret, error) {
	got, err := local.AskAccessToken(ctx, cfg.Data, c.Thing)
	if errors.Is(err, local.ErrNotRunning) {
		got, err = local.OpenAccess(ctx, cfg, c.Thing)
	}
	return got.Token, err
}

// needsPerson marks the errors that a person heals.
func (c *tokenCommand) needsPerson(err error) error {
	var ended *tokens.GrantEndedError
	var refused *local.RefusedError
	switch {
	case errors.As(err, &ended) && c.Thing != "":
		return signInError{err.Error() + "; pair the device again"}
	case errors.Is(err, tokens.ErrNotRegistered) && c.Stack != "":
		return signInError{"the device is not paired with the stack " + c.Stack + ", or not any more; see: restock devices show " + c.Thing + " --stack " + c.Stack}
	case errors.Is(err, tokens.ErrNotRegistered):
		return signInError{"the device is not paired; see: restock devices list"}
	case errors.As(err, &refused) && (refused.Code == local.CodeGrantEnded || refused.Code == local.CodeNotRegistered):
		return signInError{refused.Detail}
	}
	return err
}

func (c *tokenCommand) ofGrant(ctx context.Context, t *terminal, cfg *config.Config) (lwa.Secret, error) {
	p, err := lwaParty(ctx, cfg, "")
	if err != nil && !errors.Is(err, errNoClient) {
		return lwa.Secret{}, err
	}
	if p == nil { // a sign-in may say the rest
		p = &party{region: cfg.Region}
	}
	got, clientID, err := c.ofFile(ctx, cfg, p)
	if !errors.Is(err, grants.ErrSecretNeeded) {
		return got, err
	}
	// The file is closed: who is asked may take long, and other commands need it.
	if p.ClientSecret, err = t.askSecret(ctx, clientID); err != nil {
		return lwa.Secret{}, err
	}
	got, _, err = c.ofFile(ctx, cfg, p)
	if errors.Is(err, grants.ErrSecretNeeded) {
		err = usageError{err.Error() + ": set " + clientSecretVariable + " to that of " + clientID}
	}
	return got, err
}

// ofFile gets a token of what is stored, and says whose client secret is wanted where the
// error is [grants.ErrSecretNeeded].
func (c *tokenCommand) ofFile(ctx context.Context, cfg *config.Config, p *party) (lwa.Secret, string, error) {
	f, err := local.OpenGrants(ctx, cfg.Data, p.now)
	if err != nil {
		return lwa.Secret{}, "", err
	}
	defer func() { _ = f.Close() }() // what was written is synced
	g, found, err := c.find(f, p)
	switch {
	case err != nil:
		return lwa.Secret{}, "", err
	case found:
		got, err := f.Token(ctx, g, p.ClientSecret)
		return got.Token, g.ClientID, c.signsIn(err, g, cfg.Data)
	case len(c.Scopes) == 0:
		return lwa.Secret{}, "", signInError{"nobody has signed in; do that with restock login" + c.dataFlag() + ", or name the application's own --scope"}
	case slices.ContainsFunc(c.Scopes, ofCustomers):
		return lwa.Secret{}, "", signInError{"nobody has signed in for this; do that with: restock login" + scopeFlags(c.Scopes) + c.dataFlag()}
	case p.ClientID == "":
		return lwa.Secret{}, "", errNoClient
	}
	got, err := f.ForApplication(ctx, &p.Client, p.region, c.Scopes)
	return got.Token, p.ClientID, err
}

// signsIn says how to sign in again where a grant has ended, or its tokens don't open.
func (c *tokenCommand) signsIn(err error, g grants.Grant, data string) error {
	var text string
	switch {
	case errors.As(err, new(*tokens.GrantEndedError)):
		text = err.Error() + ";"
	case errors.As(err, new(*tokens.SealError)):
		text = "the sign-in does not open with the key ring " + local.RingPath(data) + ": put the ring back that sealed it, or"
	default:
		return err
	}
	return signInError{text + " sign in again with: " + loginAgain(g) + c.dataFlag()}
}

// loginAgain is the command that gets a grant again.
func loginAgain(g grants.Grant) string {
	command := "restock login"
	if g.Device {
		command += " --device"
	}
	return command + scopeFlags(g.Scopes)
}

// find returns the sign-in for the scopes, or the only one there is where none are named.
func (c *tokenCommand) find(f *grants.File, p *party) (grants.Grant, bool, error) {
	all, err := f.List()
	if err != nil {
		return grants.Grant{}, false, err
	}
	fits := slices.DeleteFunc(all, func(g grants.Grant) bool {
		return g.Kind != grants.Customer || p.ClientID != "" && (g.ClientID != p.ClientID || g.APIURL != p.Endpoint.APIURL) ||
			len(c.Scopes) > 0 && !g.Covers(c.Scopes)
	})
	if len(fits) == 0 {
		return grants.Grant{}, false, nil
	}
	if len(c.Scopes) == 0 && len(fits) > 1 {
		var each []string
		for _, g := range fits {
			each = append(each, "--scope "+strings.Join(g.Scopes, " --scope "))
		}
		return grants.Grant{}, false, usageError{"there are several sign-ins; name one: " + strings.Join(each, ", or ")}
	}
	return fits[0], true, nil
}

// ofCustomers reports whether a scope is one that only a customer can grant.
func ofCustomers(scope string) bool {
	return slices.Contains([]string{"profile", "profile:user_id", "postal_code", "dash:replenish", "alexa:all"}, scope) ||
		strings.HasPrefix(scope, "advertising::") || strings.HasPrefix(scope, "alexa::ask:") || scope == "alexa::skills:account_linking"
}
