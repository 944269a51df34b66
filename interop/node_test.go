package interop_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// node is a stranger that is a package of npm. It returns the command that runs it.
func node(t *testing.T, name, what string) (command string) {
	t.Helper()
	s := stranger(t, name, what)
	manifest := filepath.Join("node", "node_modules", name, "package.json")
	command = need(t, "node", manifest)
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	s.version = p.Version
	return command
}

// signedIn returns a refresh token, and a code that was not exchanged yet.
func signedIn(t *testing.T, a *sandbox) (refreshToken, code string) {
	t.Helper()
	c := a.Client()
	visit := func() string {
		page, err := c.AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{"profile"}})
		if err != nil {
			t.Fatal(err)
		}
		return agree(t, a.Server, page).Get("code")
	}
	token, err := c.Exchange(t.Context(), visit(), lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	return token.RefreshToken.Reveal(), visit()
}

// npmClient runs a client from npm against Amazon's addresses, and returns the sandbox.
func npmClient(t *testing.T, name, script, what string, sw func(*lwatest.Switches)) *sandbox {
	t.Helper()
	command := node(t, name, what)
	switches := lwatest.DefaultSwitches()
	sw(&switches)
	a := newSandbox(t, lwatest.Options{Switches: &switches})
	refreshToken, code := signedIn(t, a)
	run(t, "node", command, append(a.env(), "LWA_REFRESH_TOKEN="+refreshToken, "LWA_CODE="+code), script)
	return a
}

// It leaves redirect_uri out of an exchange, as the Selling Partner API's page does.
func TestAmazonSPAPI(t *testing.T) {
	a := npmClient(t, "amazon-sp-api", "amazon-sp-api.mjs", "code, refresh, client credentials by JSON; renews an expired token",
		func(sw *lwatest.Switches) { sw.RedirectURLOptional = true })
	// One of the codes was ours, for the refresh token that it was given.
	for kind, want := range map[string]int{"authorization_code": 3, "refresh_token": 3, "client_credentials": 1} {
		if n := a.Calls(lwatest.RouteToken, kind); n != want {
			t.Errorf("%d calls of %s, want %d", n, kind, want)
		}
	}
}

func TestSPAPISDKAuth(t *testing.T) {
	a := npmClient(t, "@sp-api-sdk/auth", "sp-api-sdk-auth.mjs", "refresh and client credentials by JSON; one call for all who wait",
		func(*lwatest.Switches) {})
	for kind, want := range map[string]int{"refresh_token": 2, "client_credentials": 2} {
		if n := a.Calls(lwatest.RouteToken, kind); n != want {
			t.Errorf("%d calls of %s, want %d", n, kind, want)
		}
	}
}

// mockServer starts oauth2-mock-server at the paths that our client asks.
func mockServer(t *testing.T, command string) lwa.Endpoint {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, "oauth2-mock-server.mjs")
	cmd.Dir, cmd.Stderr = "node", os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // it ends with its input
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || len(url) < 2 {
		t.Fatalf("oauth2-mock-server said %q, %v", url, err)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	url = url[:len(url)-1]
	return lwa.Endpoint{AuthorizeURL: url + "/ap/oa", APIURL: url}
}

func TestOAuth2MockServer(t *testing.T) {
	command := node(t, "oauth2-mock-server", "our client: code with PKCE, refresh, client credentials, refusals")
	c := &lwa.Client{
		ClientID: "anybody", ClientSecret: lwa.NewSecret("anything"), RedirectURL: "http://localhost:8080/callback",
		Endpoint: mockServer(t, command),
	}
	verifier := lwa.NewVerifier()
	ask := lwa.AuthRequest{State: "the state", Scopes: []string{"profile"}, CodeChallenge: lwa.Challenge(verifier)}
	before := time.Now()
	token, err := c.Exchange(t.Context(), signIn(t, c, ask), verifier)
	if err != nil || token.RefreshToken.IsZero() {
		t.Fatalf("Exchange() = %v, %v", token, err)
	}
	if life := token.Expiry.Sub(before); life < 59*time.Minute || life > 61*time.Minute {
		t.Errorf("the token lives %s, want the hour of expires_in", life)
	}
	next, err := c.Refresh(t.Context(), token.RefreshToken)
	if err != nil || next.RefreshToken.Equal(token.RefreshToken) {
		t.Errorf("Refresh() = %v, %v, want the refresh token that came", next, err)
	}
	own, err := c.ClientCredentials(t.Context(), "appstore::apps:readwrite")
	if err != nil || !own.RefreshToken.IsZero() || own.Scope != "appstore::apps:readwrite" {
		t.Errorf("ClientCredentials() = %v, %v", own, err)
	}
	_, err = c.Exchange(t.Context(), signIn(t, c, ask), lwa.NewVerifier())
	wantCode(t, err, lwa.InvalidRequest, 400)
}
