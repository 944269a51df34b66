package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/loopback"
	"github.com/restock-dev/restock/pkg/lwa"
)

// settings puts a command's flags over the environment, and names a flag at fault by its
// name. The flags are the fields with a variable in their tag, what they may hold is
// checked with these.
func settings(command any, environ map[string]string) (*config.Config, error) {
	flags := overlay(command, environ)
	cfg, err := config.Parse(environ)
	var fault *config.Fault
	if errors.As(err, &fault) && flags[fault.Variable] != "" {
		return nil, usageError{flags[fault.Variable] + " must hold " + fault.Want}
	}
	if err != nil {
		return nil, usageError{err.Error()}
	}
	return cfg, nil
}

// overlay puts a command's flags into the environment, and returns the flag that was given
// for each variable.
func overlay(command any, environ map[string]string) map[string]string {
	flags := map[string]string{}
	for field, value := range flagsOf(reflect.ValueOf(command).Elem()) {
		variable := field.Tag.Get("variable")
		environ[variable], flags[variable] = value, "--"+cmp.Or(field.Tag.Get("name"), strings.ToLower(field.Name))
	}
	return flags
}

// flagsOf yields the flags that were given and have a variable.
func flagsOf(v reflect.Value) iter.Seq2[reflect.StructField, string] {
	return func(yield func(reflect.StructField, string) bool) {
		for field := range v.Type().Fields() {
			f := v.FieldByIndex(field.Index)
			if field.Anonymous { // flags that several commands have
				for inner, value := range flagsOf(f) {
					if !yield(inner, value) {
						return
					}
				}
			}
			if value := text(f); field.Tag.Get("variable") != "" && value != "" && !yield(field, value) {
				return
			}
		}
	}
}

// text is a flag as it would stand in its variable, "" where it was not given.
func text(f reflect.Value) string {
	switch {
	case f.Kind() == reflect.String:
		return f.String()
	case f.Kind() == reflect.Pointer && !f.IsNil() && f.Elem().Kind() == reflect.Bool:
		return strconv.FormatBool(f.Elem().Bool())
	}
	return ""
}

// lwaFlags say which client of which LWA a command speaks for.
type lwaFlags struct {
	ClientID        string `name:"client-id" placeholder:"ID" variable:"RESTOCK_LWA_CLIENT_ID" help:"Client ID of the LWA security profile, with the secret in RESTOCK_LWA_CLIENT_SECRET. Default: that of the sandbox of a running restock up."`
	LWAURL          string `name:"lwa-url" placeholder:"URL" variable:"RESTOCK_LWA_API_URL" help:"API of another LWA than Amazon's, such as a sandbox."`
	LWAAuthorizeURL string `name:"lwa-authorize-url" placeholder:"URL" variable:"RESTOCK_LWA_AUTHORIZE_URL" help:"Authorize page of another LWA. Default: /ap/oa of its API."`
	Data            string `placeholder:"FILE" variable:"RESTOCK_DATA" help:"Data file. Sign-ins are kept beside it, sealed with its key ring. Default: in the user's data directory."`
}

// dataFlag is what names the data file on the command line of another command.
func (f *lwaFlags) dataFlag() string { return dataFlag(f.Data) }

func dataFlag(data string) string {
	if data == "" {
		return ""
	}
	return " --data " + shellWord(data)
}

// party is an LWA and our client there.
type party struct {
	lwa.Client
	region lwa.Region
	name   string        // of the LWA, for people
	ahead  time.Duration // how far its clock is ahead of ours: a sandbox's can be moved
}

// now is the time at the party.
func (p *party) now() time.Time { return time.Now().Add(p.ahead) }

// openData fills in the default data file.
func openData(cfg *config.Config) (err error) {
	if cfg.Data == "" {
		cfg.Data, err = local.DefaultData()
	}
	return err
}

var errNoClient = usageError{"RESTOCK_LWA_CLIENT_ID (--client-id) is not set; it must hold the client ID of the LWA security profile. " +
	"Without an Amazon account start restock up or restock sandbox, which has one"}

// lwaParty returns whom the configuration names, or else the sandbox of a running restock
// up, whose client may use redirectURL from now on.
func lwaParty(ctx context.Context, cfg *config.Config, redirectURL string) (*party, error) {
	p := &party{region: cfg.Region, name: "Amazon"}
	switch {
	case cfg.LWAClientID != "":
		p.ClientID, p.ClientSecret, p.Endpoint = cfg.LWAClientID, cfg.LWAClientSecret, cfg.Endpoint(cfg.Region)
		if cfg.LWAURL != "" {
			p.name, p.ahead = cfg.LWAURL, sandboxAhead(ctx, cfg.LWAURL)
		}
	case cfg.LWAURL != "" || !cfg.LWAClientSecret.IsZero():
		return nil, errNoClient
	default:
		c, err := local.AskSandboxClient(ctx, cfg.Data, redirectURL)
		if errors.Is(err, local.ErrNotRunning) {
			return nil, errNoClient
		}
		if err != nil {
			return nil, err
		}
		p.ClientID, p.ClientSecret, p.Endpoint = c.ClientID, c.ClientSecret, lwa.Endpoint{APIURL: c.APIURL}
		p.name, p.ahead = "the sandbox of restock up", time.Until(c.Now)
	}
	p.RedirectURL, p.Now = redirectURL, p.now
	return p, nil
}

// sandboxAhead returns how far the clock of a sandbox is ahead of ours; 0 for any other LWA.
func sandboxAhead(ctx context.Context, lwaURL string) time.Duration {
	if !strings.HasPrefix(lwaURL, "http://") { // a sandbox has no https of its own, and Amazon nothing else
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	at, err := (&control{newAPI(strings.TrimRight(lwaURL, "/"))}).clock(ctx)
	if err != nil || at.Now.IsZero() {
		return 0
	}
	return time.Until(at.Now)
}

// askSecret asks a person for a client secret, without showing it; zero where nobody can
// be asked, the variable is there but empty, or nothing was typed.
func (t *terminal) askSecret(ctx context.Context, clientID string) (lwa.Secret, error) {
	if _, said := os.LookupEnv(clientSecretVariable); said || !isTerminal(t.in) || !isTerminal(t.err) {
		return lwa.Secret{}, nil
	}
	before, err := term.GetState(int(t.in.Fd()))
	if err != nil {
		return lwa.Secret{}, fmt.Errorf("asking for the client secret: %w", err)
	}
	fmt.Fprintf(t.err, "Client secret of %s (Enter for none): ", clientID)
	typed := make(chan string, 1)
	go func() {
		text, _ := term.ReadPassword(int(t.in.Fd())) // nothing, at the end of input
		typed <- strings.TrimSpace(string(text))
	}()
	defer fmt.Fprintln(t.err)
	select {
	case text := <-typed:
		return lwa.NewSecret(text), nil
	case <-ctx.Done(): // the terminal must show again what is typed
		return lwa.Secret{}, errors.Join(ctx.Err(), term.Restore(int(t.in.Fd()), before))
	}
}

// explained adds to an error of LWA, or of its redirect, what to change.
func explained(err error) error {
	advice := lwa.Explain(err)
	if refused := new(loopback.RefusedError); errors.As(err, &refused) {
		advice, _ = lwa.ExplainText("?error=" + refused.Code) // none for a code of no one's
	}
	if advice != "" {
		return fmt.Errorf("%w. %s", err, strings.TrimSuffix(advice, "."))
	}
	return err
}
