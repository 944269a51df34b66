package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

type sandboxCommand struct {
	Port int    `default:"8081" help:"Port to listen at; 0 is a free one."`
	Host string `default:"localhost" placeholder:"ADDRESS" help:"Address to listen at. Any other than this machine's own lets others play Amazon here."`
	Name string `name:"host-name" placeholder:"NAME" help:"Further name that software calls it by, such as that of a container."`
	Data string `placeholder:"FILE" help:"Keep its state in this data file. Default: in memory."`

	ClientID     string   `name:"client-id" placeholder:"ID" env:"RESTOCK_LWA_CLIENT_ID" help:"Client ID that it knows, with the secret in RESTOCK_LWA_CLIENT_SECRET. Default: both are made up."`
	RedirectURLs []string `name:"redirect-url" placeholder:"URL" sep:"none" help:"Allowed return URL of that client; may be repeated. Default: those of restock up and restock login."`
	Scopes       []string `name:"scope" placeholder:"SCOPE" sep:"none" help:"Scope that the client may ask for; may be repeated. Default: all that are known."`
	Clients      string   `type:"path" placeholder:"FILE" help:"JSON file of further clients."`

	JSON    bool `name:"json" help:"Print the addresses, and the log, as JSON."`
	Verbose bool `short:"v" help:"Log more."`
}

// clientSecretVariable holds the client secret, which is never a flag: others on this
// machine can read command lines.
const clientSecretVariable = "RESTOCK_LWA_CLIENT_SECRET" //nolint:gosec // G101: the name of a variable

// loginRedirectURL is where restock login listens unless a flag says otherwise.
const loginRedirectURL = "http://localhost:8085/callback"

func (c *sandboxCommand) Help() string {
	return `Stands in for Login with Amazon and the Dash Replenishment Service, alone on one port, for the tests of any software.
It prints its addresses, client ID and client secret; point your software at them. On its page you play Amazon and
its customers: move the clock, withdraw consent, ship orders. GET /sandbox lists the same by HTTP, and more, such as:

    curl --json '{"advance": "24h"}' http://localhost:8081/sandbox/clock
    curl --json '{"client_id": "amzn1.application-oa2-client.app", "redirect_urls": ["amzn://com.example.app"]}' http://localhost:8081/sandbox/clients
    curl --json '{"lwa": [{"route": "token", "kind": "throttled", "times": 2}]}' http://localhost:8081/sandbox/faults

--clients takes a JSON array; a client without "client_secret" is public, as apps and devices are. "name", "origins", "own_scopes" and
"grant_types" can be given, too:

    [{"client_id": "amzn1.application-oa2-client.app", "redirect_urls": ["amzn://com.example.app"], "scopes": ["profile"]}]

Examples:

    restock sandbox
    restock sandbox --port 9000 --redirect-url https://localhost:3000/callback
    RESTOCK_LWA_CLIENT_SECRET=my-secret restock sandbox --client-id amzn1.application-oa2-client.1 --json`
}

func (c *sandboxCommand) Run(ctx context.Context, t *terminal) error {
	slog.SetDefault(slog.New(logHandler(t, c.JSON, c.Verbose)))
	secret, given := os.LookupEnv(clientSecretVariable)
	if given && secret != "" && c.ClientID == "" {
		return usageError{"RESTOCK_LWA_CLIENT_ID (--client-id) is not set; it must hold the client ID that the secret belongs to"}
	}
	o := local.SandboxOptions{
		Address: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), Data: c.Data,
		Client: lwatest.Client{ID: c.ClientID, Secret: lwa.NewSecret(secret), RedirectURLs: c.RedirectURLs, Scopes: c.Scopes},
	}
	if len(o.Client.RedirectURLs) == 0 {
		o.Client.RedirectURLs = []string{lwatest.DefaultRedirectURL, loginRedirectURL}
	}
	if c.Name != "" {
		o.Hosts = []string{c.Name}
	}
	if c.Clients != "" {
		var err error
		if o.Clients, err = readClients(c.Clients); err != nil {
			return err
		}
	}
	box, err := local.OpenSandbox(ctx, o)
	if err != nil {
		return err
	}
	if err := box.Run(ctx, func() { c.announce(t, box, secret == "") }); err != nil {
		return err
	}
	if !c.JSON {
		t.printf("stopped")
	}
	return nil
}

// sandboxAnnouncement is what a started sandbox says, once.
type sandboxAnnouncement struct {
	Event        string `json:"event"` // ready
	Page         string `json:"page"`
	AuthorizeURL string `json:"authorize_url"`
	TokenURL     string `json:"token_url"`
	CodePairURL  string `json:"code_pair_url"`
	TokenInfoURL string `json:"tokeninfo_url"`
	ProfileURL   string `json:"profile_url"`
	APIURL       string `json:"api_url"` // of LWA, of DRS and of the Appstore
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"` // where it was made up here
	Exposed      bool   `json:"exposed"`
	Data         string `json:"data,omitempty"`
}

func (c *sandboxCommand) announce(t *terminal, box *local.Sandbox, made bool) {
	base, creds := box.URL(), box.Credentials()
	a := sandboxAnnouncement{
		Event: "ready", Page: base, AuthorizeURL: base + "/ap/oa", TokenURL: base + "/auth/o2/token",
		CodePairURL: base + "/auth/o2/create/codepair", TokenInfoURL: base + "/auth/o2/tokeninfo", ProfileURL: base + "/user/profile",
		APIURL: base, ClientID: creds.ClientID, Exposed: box.Exposed(), Data: c.Data,
	}
	shown := "as in " + clientSecretVariable
	if made {
		a.ClientSecret = creds.ClientSecret.Reveal() // it opens nothing but this sandbox
		shown = a.ClientSecret
	}
	if c.JSON {
		_ = t.json(a) // nobody reads it; that is no reason not to run
		return
	}
	t.printf("%s stands in for Amazon: no account, no order, no charge.\n", t.bold("The sandbox"))
	t.printf("  page           %s  %s", t.link(a.Page), t.dim("the clock, customers, devices, orders"))
	t.printf("  authorize      %s", t.link(a.AuthorizeURL))
	t.printf("  token          %s", t.link(a.TokenURL))
	t.printf("  code pair      %s", t.link(a.CodePairURL))
	t.printf("  token check    %s", t.link(a.TokenInfoURL))
	t.printf("  profile        %s", t.link(a.ProfileURL))
	t.printf("  DRS            %s", t.link(a.APIURL))
	t.printf("  Appstore API   %s", t.link(a.APIURL+"/api/appstore/v1/applications"))
	t.printf("  control        %s  %s", t.link(a.APIURL+"/sandbox"), t.dim("clock, clients, faults and more, by HTTP"))
	t.printf("  client ID      %s", a.ClientID)
	t.printf("  client secret  %s", shown)
	t.printf("  state          %s\n", cmp.Or(c.Data, "in memory"))
	if a.Exposed {
		t.printf("%s Other machines can reach this address, and play Amazon here.\n", t.red("Warning:"))
	}
	t.printf("For restock login, token and doctor, in another terminal:\n")
	t.printf("  export RESTOCK_LWA_API_URL=%s", a.APIURL)
	t.printf("  export RESTOCK_DRS_URL=%s", a.APIURL)
	if made {
		t.printf("  export RESTOCK_LWA_CLIENT_ID=%s", a.ClientID)
		t.printf("  export %s=%s", clientSecretVariable, a.ClientSecret)
	}
	t.printf("\n%s", t.dim("Ctrl-C stops it."))
}
