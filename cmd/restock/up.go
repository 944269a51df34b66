package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/local"
)

// upCommand's flags stand for the environment variables in their tags; what they may
// hold is checked with these.
type upCommand struct {
	HTTP    string `name:"http" placeholder:"ADDRESS" variable:"RESTOCK_HTTP" group:"addr" help:"Pages and HTTPS API. Default: localhost:8080."`
	MQTT    string `name:"mqtt" placeholder:"ADDRESS" variable:"RESTOCK_MQTT" group:"addr" help:"Broker for devices. Default: localhost:1883."`
	Sandbox string `placeholder:"ADDRESS" variable:"RESTOCK_SANDBOX" group:"addr" help:"Sandbox that stands in for Amazon. Default: localhost:8081."`
	Data    string `placeholder:"FILE" variable:"RESTOCK_DATA" group:"addr" help:"Data file; its key ring lies beside it. Default: in the user's data directory."`

	MQTTTrustLocal *bool `name:"mqtt-trust-local" negatable:"" variable:"RESTOCK_MQTT_TRUST_LOCAL" group:"dev" help:"Take MQTT connections from this machine without a device key. Default: yes. Switch it off behind a proxy."`
	TestDevices    *bool `name:"test-devices" negatable:"" variable:"RESTOCK_TEST_DEVICES" group:"dev" help:"Pair as test devices, whose orders are not real."`
	NonLive        *bool `name:"non-live" negatable:"" variable:"RESTOCK_NON_LIVE" group:"dev" help:"Allow device models that are not live yet."`

	ClientID        string `name:"client-id" placeholder:"ID" variable:"RESTOCK_LWA_CLIENT_ID" group:"amazon" help:"Client ID of the LWA security profile. Its secret is never a flag but in RESTOCK_LWA_CLIENT_SECRET."`
	Region          string `placeholder:"na|eu|fe" variable:"RESTOCK_LWA_REGION" group:"amazon" help:"Region of LWA."`
	RedirectURL     string `name:"redirect-url" placeholder:"URL" variable:"RESTOCK_REDIRECT_URL" group:"amazon" help:"Our callback as registered with Amazon. Default: /callback at the HTTP address."`
	PublicClients   string `name:"public-clients" placeholder:"IDS" variable:"RESTOCK_LWA_PUBLIC_CLIENTS" group:"amazon" help:"Client IDs of companion apps, separated by commas."`
	Refresh         string `placeholder:"ahead|on-use" variable:"RESTOCK_REFRESH_POLICY" group:"amazon" help:"When tokens are refreshed."`
	AllowedOrigins  string `name:"allowed-origins" placeholder:"ORIGINS" variable:"RESTOCK_ALLOWED_ORIGINS" group:"amazon" help:"Makers' sites that may call the API from a page, separated by commas."`
	LWAAuthorizeURL string `name:"lwa-authorize-url" placeholder:"URL" variable:"RESTOCK_LWA_AUTHORIZE_URL" group:"amazon" help:"Authorize page of another LWA."`
	LWAURL          string `name:"lwa-url" placeholder:"URL" variable:"RESTOCK_LWA_API_URL" group:"amazon" help:"API of another LWA than the sandbox's."`
	DRSURL          string `name:"drs-url" placeholder:"URL" variable:"RESTOCK_DRS_URL" group:"amazon" help:"Another DRS than the sandbox's. With both there is no sandbox."`

	JSON    bool `name:"json" help:"Print the addresses, and the log, as JSON."`
	Verbose bool `short:"v" help:"Log more."`
}

func (c *upCommand) Help() string {
	return `Runs all of Restock in this process: pages and API, a broker for devices, the schedule that keeps tokens fresh, and
the sandbox in place of Amazon. What it knows is kept in one file, and is there again after a crash.

Each flag has a variable; a flag wins over its variable.

Examples:

    restock up
    restock up --http localhost:9000 --data ./restock.db
    restock up --lwa-url http://localhost:9001 --drs-url http://localhost:9002 --client-id amzn1.application-oa2-client.1`
}

func (c *upCommand) Run(ctx context.Context, t *terminal) error {
	begun := time.Now()
	slog.SetDefault(slog.New(logHandler(t, c.JSON, c.Verbose)))
	cfg, err := settings(c, config.Environ())
	if err != nil {
		return err
	}
	stack, err := local.Open(ctx, cfg, buildVersion())
	if err != nil {
		return err
	}
	if err := stack.Run(ctx, func() { c.announce(ctx, t, stack, time.Since(begun)) }); err != nil {
		return err
	}
	if !c.JSON {
		t.printf("stopped")
	}
	return nil
}

// announcement is what a started stack says, once.
type announcement struct {
	Event     string          `json:"event"` // ready
	Version   string          `json:"version"`
	PID       int             `json:"pid"`
	ReadyMS   int64           `json:"ready_ms"`
	Addresses local.Addresses `json:"addresses"`
	Data      string          `json:"data"`
	Trusted   bool            `json:"mqtt_trust_local"`
	Try       string          `json:"try"`
}

func (c *upCommand) announce(ctx context.Context, t *terminal, s *local.Stack, took time.Duration) {
	a := announcement{
		Event: "ready", Version: buildVersion(), PID: os.Getpid(), ReadyMS: took.Milliseconds(),
		Addresses: s.Addresses(), Data: s.Data(), Trusted: s.Trusted(), Try: tryNext(ctx, s),
	}
	if c.JSON {
		_ = t.json(a) // nobody reads it; that is no reason not to run
		return
	}
	note := "devices need their key"
	if a.Trusted {
		note = "connections from this machine are trusted without a device key"
	}
	t.printf("%s is ready (%d ms)\n", t.bold("Restock "+a.Version), a.ReadyMS)
	t.printf("  pages    %s", t.link(a.Addresses.HTTP))
	t.printf("  API      %s  %s", t.link(a.Addresses.HTTP+"/v1/"), t.dim("described in /openapi.yaml"))
	t.printf("  MQTT     %s  %s", t.link(a.Addresses.MQTT), t.dim(note))
	if a.Addresses.Sandbox != "" {
		t.printf("  sandbox  %s  %s", t.link(a.Addresses.Sandbox), t.dim("stands in for Amazon: no account, no order, no charge"))
	}
	t.printf("  data     %s\n", a.Data)
	if strings.HasPrefix(a.Try, "http") {
		t.printf("Try next: open %s\n", t.link(a.Try))
	} else {
		t.printf("Try next, in another terminal: %s\n", t.bold(a.Try))
	}
	t.printf("%s", t.dim("Ctrl-C stops it."))
}

// tryNext is the one thing to do next: pair the example, or press a paired device.
func tryNext(ctx context.Context, s *local.Stack) string {
	devices, err := s.Devices(ctx, "")
	if err == nil {
		for _, d := range devices {
			for _, slot := range d.Slots {
				if d.Status == "active" && slot.Subscribed {
					return self() + " press --thing " + d.Thing + " --slot " + shellWord(slot.Slot)
				}
			}
		}
	}
	return s.Addresses().HTTP + "/?" + url.Values{"device_model": {"ACME-VAC-1"}, "serial": {"SN0001"}}.Encode()
}

// self is how this command was called, so that a line to copy works as it stands.
func self() string {
	if strings.ContainsRune(os.Args[0], os.PathSeparator) {
		return shellWord(os.Args[0])
	}
	return "restock"
}

// shellWord quotes a word for a shell where it needs that.
func shellWord(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
