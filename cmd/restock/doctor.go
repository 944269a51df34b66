package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/doctor"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/lwa"
)

type doctorCommand struct {
	Check   doctorCheck   `cmd:"" default:"withargs" help:"Find what is wrong with a set-up (the default)."`
	Explain doctorExplain `cmd:"" help:"Explain an error text or JSON from a log."`
}

func (c *doctorCommand) Help() string {
	return `Looks at client ID and secret, redirect URL, clock, secrets, key ring, sign-ins, table, queues and topic, and says what to change, before
a customer finds out. It changes nothing and prints no secret. Its flags, which restock doctor check --help lists, and its
variables are those of restock up.

Exit code: 0 if nothing fails, 1 if something does, 2 for a wrong command line.

Examples:

    restock doctor
    restock doctor --stack restock-prod --region eu-west-1
    restock doctor explain '{"error_description":"Client authentication failed","error":"invalid_client"}'`
}

type doctorCheck struct {
	Stack   string `placeholder:"NAME" help:"Deployed stack to look at. Default: the settings of this shell, and the restock up of this machine."`
	Profile string `placeholder:"NAME" help:"With --stack: profile of the AWS command line to use."`
	Region  string `placeholder:"REGION" help:"Region of LWA, na, eu or fe; with --stack: AWS region. Default: as configured."`

	ClientID        string `name:"client-id" placeholder:"ID" variable:"RESTOCK_LWA_CLIENT_ID" help:"Client ID of the LWA security profile, with the secret in RESTOCK_LWA_CLIENT_SECRET."`
	RedirectURL     string `name:"redirect-url" placeholder:"URL" variable:"RESTOCK_REDIRECT_URL" help:"Our callback as registered with Amazon."`
	LWAURL          string `name:"lwa-url" placeholder:"URL" variable:"RESTOCK_LWA_API_URL" help:"API of another LWA than Amazon's, such as a sandbox."`
	LWAAuthorizeURL string `name:"lwa-authorize-url" placeholder:"URL" variable:"RESTOCK_LWA_AUTHORIZE_URL" help:"Authorize page of another LWA."`
	DRSURL          string `name:"drs-url" placeholder:"URL" variable:"RESTOCK_DRS_URL" help:"Another DRS than Amazon's."`
	Data            string `placeholder:"FILE" variable:"RESTOCK_DATA" help:"Data file; its key ring lies beside it. Default: in the user's data directory."`

	JSON bool `name:"json" help:"Print the findings as JSON."`
}

func (c *doctorCheck) Run(ctx context.Context, t *terminal) error {
	var f doctor.Findings
	var err error
	if c.Stack != "" {
		f, err = c.stack(ctx, t)
	} else {
		f, err = c.local(ctx, t)
	}
	t.progress("")
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.print(t, f); err != nil {
		return err
	}
	if f.Count(doctor.Fail) > 0 {
		return quietError{}
	}
	return nil
}

func (c *doctorCheck) print(t *terminal, f doctor.Findings) error {
	if c.JSON {
		return t.json(map[string]any{"findings": f, "ok": f.Count(doctor.OK), "warn": f.Count(doctor.Warn), "fail": f.Count(doctor.Fail)})
	}
	marks := map[doctor.Level]string{doctor.OK: t.mark(true), doctor.Warn: t.paint("33", "!"), doctor.Fail: t.mark(false)}
	for _, one := range f {
		t.printf("%s %s  %s", marks[one.Level], t.bold(one.Check), one.Found)
		if one.Setting != "" {
			t.printf("    %s %s", t.dim("setting"), one.Setting)
		}
		if one.Fix != "" {
			t.printf("    %s %s", t.dim("fix    "), one.Fix)
		}
	}
	t.printf("\n%d failed, %d to look at, %d well.", f.Count(doctor.Fail), f.Count(doctor.Warn), f.Count(doctor.OK))
	return nil
}

func (c *doctorCheck) stack(ctx context.Context, t *terminal) (doctor.Findings, error) {
	s, err := openStack(ctx, t, c.Stack, awsFlags{Region: c.Region, Profile: c.Profile})
	if err != nil {
		return nil, err
	}
	return doctor.CheckStack(ctx, s, t.progress), nil
}

// local checks what a restock up with this environment and these flags would run on, and
// the one that runs.
func (c *doctorCheck) local(ctx context.Context, t *terminal) (f doctor.Findings, err error) {
	if c.Profile != "" {
		return nil, usageError{"--profile needs --stack"}
	}
	environ := config.Environ()
	flags := overlay(c, environ)
	if c.Region != "" {
		environ["RESTOCK_LWA_REGION"], flags["RESTOCK_LWA_REGION"] = c.Region, "--region"
	}
	cfg, err := config.Parse(environ)
	if err != nil {
		f.Faults(err, flags, "Correct it where it is set.")
		return f, nil
	}
	if err := openData(cfg); err != nil {
		return nil, err
	}
	f.OK("settings", "Flags and variables are well formed.")
	t.progress("looking at the data file")
	running, err := local.AskStatus(ctx, cfg.Data)
	up := err == nil
	if up {
		f.OK("restock up", "It runs with the data file %s, version %s.", cfg.Data, running.Version)
		c.devices(ctx, &f, cfg)
	}
	c.keys(ctx, &f, cfg, up)
	c.signIns(ctx, &f, cfg)
	t.progress("asking Login with Amazon")
	c.amazon(ctx, &f, cfg, running)
	return f, nil
}

// keys checks key ring and data file. What a running restock up has open it alone can read.
func (c *doctorCheck) keys(ctx context.Context, f *doctor.Findings, cfg *config.Config, up bool) {
	path := local.RingPath(cfg.Data)
	_, dataErr := os.Stat(cfg.Data)
	ring, err := seal.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.Is(dataErr, fs.ErrNotExist):
		f.OK("key ring", "There is none yet, nor a data file: the first start makes both.")
		return
	case errors.Is(err, fs.ErrNotExist):
		f.Fail("key ring", path, "Put it back from a copy, or move the data file away to start anew.", "It is missing, so the tokens in %s can't be opened.", cfg.Data)
		return
	case err != nil:
		f.Fail("key ring", path, remedy(err), "%s.", err)
		return
	case up || dataErr != nil:
		*f = append(*f, doctor.CheckRing(ctx, ring, path, nil, nil)...)
		if up {
			f.OK("stored tokens", "They were not tried: restock up holds the data file.")
		}
		return
	}
	s, err := bolt.Open(cfg.Data, bolt.Options{})
	if err != nil {
		f.Fail("data file", "RESTOCK_DATA (--data)", remedy(err), "%s.", err)
		return
	}
	defer func() { _ = s.Close() }() // nothing was written
	things, err := s.Things(ctx, "", sampledThings)
	if err != nil {
		f.Fail("data file", "RESTOCK_DATA (--data)", "Restore a copy of it.", "%s.", err)
		return
	}
	*f = append(*f, doctor.CheckRing(ctx, ring, path, s, things)...)
}

// remedy is what to do about an error of a file; most say it themselves.
func remedy(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "Run restock as the user whose file it is, or make it that user's again."
	}
	return "Do as it says."
}

// sampledThings is how many devices the key ring is tried on.
const sampledThings = 1000

// devices looks at what the running process has trouble with.
func (c *doctorCheck) devices(ctx context.Context, f *doctor.Findings, cfg *config.Config) {
	all, err := local.AskDevices(ctx, cfg.Data, "")
	if err != nil {
		f.Warn("devices", "", "Ask again.", "%s.", err)
		return
	}
	var failing []string
	for _, d := range all {
		if d.Failures > 0 {
			failing = append(failing, d.Thing)
		}
	}
	const fix = "The findings about Login with Amazon say why; restock devices show tells when it is tried again."
	switch {
	case len(failing) == 1:
		f.Warn("devices", "", fix, "The tokens of %s can't be refreshed.", failing[0])
	case len(failing) > 1:
		f.Warn("devices", "", fix, "The tokens of %d devices can't be refreshed, among them %s.", len(failing), failing[0])
	case len(all) == 0:
		f.OK("devices", "It knows no device yet.")
	case len(all) == 1:
		f.OK("devices", "No refresh of the one device fails.")
	default:
		f.OK("devices", "No refresh of the %d devices fails.", len(all))
	}
}

// amazon checks what stands where for Amazon: Amazon, another server, or the sandbox of the
// running process.
func (c *doctorCheck) amazon(ctx context.Context, f *doctor.Findings, cfg *config.Config, running local.Status) {
	names, drsURL := doctor.Variables(), cfg.DRSURL
	l := doctor.LWA{Region: cfg.Region, Public: cfg.PublicClients, Names: names}
	l.Client.RedirectURL = redirectURLOf(cfg, running)
	if cfg.LWAClientID == "" && cfg.LWAURL == "" && cfg.LWAClientSecret.IsZero() {
		box, err := local.AskSandboxClient(ctx, cfg.Data, "")
		if err != nil { // restock up would bring its own
			f.OK("Login with Amazon", "No client is set: restock up brings a sandbox that stands in for Amazon.")
			return
		}
		l.Client.ClientID, l.Client.ClientSecret, l.Client.Endpoint = box.ClientID, box.ClientSecret, lwa.Endpoint{APIURL: box.APIURL}
		if drsURL == "" {
			drsURL = box.APIURL
		}
	} else {
		if cfg.LWAClientID == "" {
			f.Fail("client ID", names.ClientID, "Set it to the client ID of the LWA security profile.", "It is not set, though its secret or another LWA is.")
			return
		}
		l.Client.ClientID, l.Client.ClientSecret, l.Client.Endpoint = cfg.LWAClientID, cfg.LWAClientSecret, cfg.Endpoint(cfg.Region)
	}
	*f = append(*f, doctor.CheckLWA(ctx, l)...)
	if running.PID != 0 {
		*f = append(*f, doctor.CheckCallback(ctx, l.Client.RedirectURL, names, nil)...)
	}
	switch {
	case drsURL == "" && cfg.LWAURL != "":
		f.Warn("Dash Replenishment", names.DRSURL, "Set it if you replenish: restock up uses its sandbox otherwise.", "It is not set, though another LWA is, so it was not checked.")
		return // that is what there is to say of restock up, too
	default:
		*f = append(*f, doctor.CheckDRS(ctx, drsURL, cfg.Region, names, nil)...)
	}
	// Who has a client alone may want tokens and nothing else: that is no mistake.
	if replenishes := running.PID != 0 || cfg.DRSURL != ""; replenishes && cfg.LWAClientID != "" && (cfg.LWAURL == "" || cfg.DRSURL == "") {
		f.Warn("restock up", names.LWAURL+", "+names.DRSURL,
			"For restock up with Amazon itself set "+cfg.Region.Endpoint().APIURL+" and https://dash-replenishment-service-na.amazon.com; login, token and deployed stacks need neither.",
			"Started with these settings it uses its sandbox in place of Amazon.")
	}
}

func redirectURLOf(cfg *config.Config, running local.Status) string {
	switch {
	case cfg.RedirectURL != "":
		return cfg.RedirectURL
	case running.Addresses.Redirect != "":
		return running.Addresses.Redirect
	case cfg.HTTP != "":
		return "http://" + cfg.HTTP + "/callback"
	}
	return "http://" + local.DefaultHTTP + "/callback"
}

type doctorExplain struct {
	Text []string `arg:"" optional:"" help:"The error text or JSON. Default: standard input."`
	JSON bool     `name:"json" help:"Print the explanations as JSON."`
}

func (c *doctorExplain) Run(t *terminal) error {
	text := strings.Join(c.Text, " ") // not everybody quotes what they paste
	if text == "" {
		if isTerminal(t.in) {
			return usageError{"give the error as an argument, or on standard input"}
		}
		read, err := io.ReadAll(io.LimitReader(t.in, doctor.MaxText))
		if err != nil {
			return fmt.Errorf("reading the error: %w", err)
		}
		text = string(read)
	}
	all := doctor.Explain(text)
	if c.JSON {
		if all == nil {
			all = []doctor.Explanation{}
		}
		if err := t.json(all); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		if c.JSON {
			return quietError{}
		}
		return errors.New("nothing in this text is known; give the whole answer or log line, or run: restock doctor")
	}
	if c.JSON {
		return nil
	}
	for _, e := range all {
		t.printf("%s  %s", t.bold(strings.TrimSpace(e.Of+" "+e.What)), e.Text)
	}
	return nil
}
