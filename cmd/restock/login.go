package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/loopback"
	"github.com/restock-dev/restock/pkg/lwa"
)

type loginCommand struct {
	Scopes    []string `name:"scope" placeholder:"SCOPE" sep:"none" help:"What the customer is asked to agree to; may be repeated. Default: profile."`
	ScopeData string   `name:"scope-data" placeholder:"JSON" help:"Further data of the scopes, as dash:replenish needs it."`
	Device    bool     `help:"Sign in on another device: show a code and a link instead of opening a browser here."`

	RedirectURL string        `name:"redirect-url" placeholder:"URL" help:"Where to take Amazon's answer on this machine; it must be an Allowed Return URL. Default: http://localhost:8085/callback."`
	NoBrowser   bool          `name:"no-browser" help:"Print the link and open no browser."`
	Timeout     time.Duration `placeholder:"DURATION" help:"How long to wait for the customer. Default: 5m; with --device as long as the code is good."`
	Region      string        `placeholder:"na|eu|fe" variable:"RESTOCK_LWA_REGION" help:"Region of LWA. Default: na."`
	lwaFlags
	JSON bool `name:"json" help:"Print what happens as JSON, one object a line."`
}

func (c *loginCommand) Help() string {
	return `Has a person sign in with Amazon, and keeps the grant beside the data file, sealed with its key ring. Get an access token
of it with: restock token

The sign-in comes back to this machine by a loopback redirect, with state and PKCE. With --device it needs no browser here:
a code is shown, and a QR code of the page that wants it. The client secret is in RESTOCK_LWA_CLIENT_SECRET or is asked for;
without one the client is a public one, as apps and devices are.

Examples:

    restock login
    restock login --scope profile --scope postal_code
    restock login --device --scope profile
    restock login --scope dash:replenish --scope-data '{"dash:replenish":{"device_model":"ACME-VAC-1","serial":"SN0001"}}'`
}

// login is one sign-in.
type login struct {
	*terminal
	*loginCommand
	party     *party
	data      string
	extra     any         // scope data, nil for none
	listensAt string      // the redirect URL, "" for a code pair
	answered  atomic.Bool // the customer has decided
}

// browserTimeout is for a customer who has the page open.
const browserTimeout = 5 * time.Minute

// exchangeTimeout bounds what is asked of LWA once the customer has decided.
const exchangeTimeout = 20 * time.Second

func (c *loginCommand) Run(ctx context.Context, t *terminal) error {
	cfg, err := settings(c, config.Environ())
	if err != nil {
		return err
	}
	if err := openData(cfg); err != nil {
		return err
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"profile"}
	}
	l := &login{terminal: t, loginCommand: c, data: cfg.Data}
	if c.ScopeData != "" {
		if !json.Valid([]byte(c.ScopeData)) {
			return usageError{"--scope-data must be a JSON object with a member for each scope that needs it"}
		}
		l.extra = json.RawMessage(c.ScopeData)
	}
	if c.Timeout == 0 && !c.Device {
		c.Timeout = browserTimeout
	}
	limited := ctx
	if c.Timeout != 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	defer context.AfterFunc(ctx, l.finishing)()
	if c.Device {
		err = l.byCodePair(limited, cfg)
	} else {
		err = l.byRedirect(limited, cfg)
	}
	l.progress("")
	switch {
	case err == nil || l.answered.Load():
	case ctx.Err() != nil:
		return errors.New("stopped before anybody has signed in")
	case limited.Err() != nil:
		return fmt.Errorf("nobody has signed in within %s; start again, with more --timeout if need be%s", c.Timeout, l.silent())
	case errors.Is(err, lwa.ExpiredToken):
		return errors.New("nobody has signed in while the code was good; start again for a new one")
	}
	return explained(err)
}

// silent says what may be wrong where no browser came back: LWA does not send one to a
// redirect URL that it does not know.
func (l *login) silent() string {
	if l.listensAt == "" {
		return ""
	}
	return ". Where the browser shows an error of Amazon's instead, this finds out why: " + self() + " doctor --redirect-url " + shellWord(l.listensAt)
}

// finishing tells whoever has pressed Ctrl-C why the command does not end yet.
func (l *login) finishing() {
	if l.answered.Load() {
		l.note("Finishing, for this sign-in can't be had twice. Ctrl-C again gives it up.")
	}
}

// meet finds the LWA to sign in to, and the secret.
func (l *login) meet(ctx context.Context, cfg *config.Config, redirectURL string) (err error) {
	if l.party, err = lwaParty(ctx, cfg, redirectURL); err != nil {
		return err
	}
	if l.party.ClientSecret.IsZero() && !l.Device { // a code pair needs none
		l.party.ClientSecret, err = l.askSecret(ctx, l.party.ClientID)
	}
	if err != nil {
		return err
	}
	f, err := local.OpenGrants(ctx, l.data, l.party.now) // it must not fail once somebody has signed in
	if err != nil {
		return err
	}
	return f.Close()
}

func (l *login) byRedirect(ctx context.Context, cfg *config.Config) error {
	at := l.RedirectURL
	if at == "" {
		at = loginRedirectURL
		if cfg.LWAClientID == "" { // the sandbox takes any
			at = "http://localhost:0/callback"
		}
	}
	receiver, err := loopback.Listen(ctx, at)
	if err != nil {
		named := "--redirect-url"
		if l.RedirectURL == "" {
			named = at + ", the default of --redirect-url,"
		}
		return usageError{named + " " + err.Error() + ". Or sign in by a code, with --device"}
	}
	defer receiver.Close()
	if err := l.meet(ctx, cfg, receiver.URL()); err != nil {
		return err
	}
	state, verifier := lwa.NewState(), lwa.NewVerifier()
	l.listensAt = receiver.URL()
	page, err := l.party.AuthCodeURL(lwa.AuthRequest{State: state, Scopes: l.Scopes, ScopeData: l.extra, CodeChallenge: lwa.Challenge(verifier)})
	if err != nil {
		return err
	}
	l.invite(page)
	return receiver.Await(ctx, state, func(ctx context.Context, a loopback.Answer) error {
		l.answered.Store(true)
		l.progress("exchanging the code")
		limited, cancel := context.WithTimeout(ctx, exchangeTimeout)
		defer cancel()
		token, err := l.party.Exchange(limited, a.Code, verifier)
		if err != nil {
			return err
		}
		l.narrow(a.Scopes)
		return l.keep(ctx, token)
	})
}

// narrow notes which scopes the customer has allowed, which may be fewer than were asked
// for; none: not told.
func (l *login) narrow(granted []string) {
	granted = slices.DeleteFunc(granted, func(s string) bool { return !slices.Contains(l.Scopes, s) })
	if len(granted) > 0 {
		l.Scopes = granted
	}
}

func (l *login) invite(page string) {
	if l.JSON {
		_ = l.json(map[string]string{"event": "authorize", "url": page}) // a line of output
		return
	}
	l.printf("To sign in with %s, open this link:\n\n  %s\n", l.party.name, l.link(page))
	if !l.NoBrowser && l.live {
		openBrowser(page)
	}
	l.progress("waiting for the browser")
}

// openBrowser tries to. The link is there for where it can't.
func openBrowser(page string) {
	program := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if program == nil {
		program = []string{"xdg-open"}
	}
	c := exec.Command(program[0], append(program[1:], page)...) //nolint:gosec,noctx // our own words and a URL that we made; it outlives us
	if c.Start() == nil {
		go func() { _ = c.Wait() }()
	}
}

// waitsUntil is when a code that is good for a while ends, or ctx before it.
func waitsUntil(ctx context.Context, while time.Duration) time.Time {
	end := time.Now().Add(while)
	if limit, ok := ctx.Deadline(); ok && limit.Before(end) {
		end = limit
	}
	return end
}

func (l *login) byCodePair(ctx context.Context, cfg *config.Config) error {
	if err := l.meet(ctx, cfg, ""); err != nil {
		return err
	}
	pair, err := l.party.CreateCodePair(ctx, lwa.CodePairRequest{Scopes: l.Scopes, ScopeData: l.extra})
	if err != nil {
		return err
	}
	if l.JSON {
		_ = l.json(map[string]any{"event": "code_pair", "url": pair.VerificationURL, "user_code": pair.UserCode, "expires_at": pair.Expiry}) // a line of output
	} else {
		l.printf("To sign in with %s on another device, scan this, or open %s\n", l.party.name, l.link(pair.VerificationURL))
		l.printf("%s", l.qr(pair.VerificationURL))
		l.printf("and enter the code  %s\n", l.bold(pair.UserCode))
		if onThisMachine(pair.VerificationURL) {
			l.printf("A phone does not reach this address: open the link on this machine.\n")
		}
		l.progress("waiting for the customer until " + waitsUntil(ctx, pair.Expiry.Sub(l.party.now())).Format("15:04"))
	}
	// The time may end between two polls, and not while one may fetch the tokens.
	unlimited := context.WithoutCancel(ctx)
	l.party.Wait = func(_ context.Context, d time.Duration) error {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	token, err := l.party.AwaitCodePair(unlimited, pair)
	if err != nil {
		return err
	}
	l.answered.Store(true)
	l.narrow(strings.Fields(token.Scope))
	return l.keep(unlimited, token)
}
