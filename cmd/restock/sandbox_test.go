package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// box is a running restock sandbox of a test.
type box struct {
	sandboxAnnouncement
	cmd  *exec.Cmd
	log  *tail
	read chan struct{}
}

func startSandbox(t *testing.T, env []string, args ...string) *box {
	t.Helper()
	b := &box{log: new(tail), read: make(chan struct{})}
	b.cmd = exec.Command(binary, append([]string{"sandbox", "--json", "--port", "0"}, args...)...)
	b.cmd.Env = append(append(cleanEnvironment(), "HOME="+t.TempDir(), "XDG_DATA_HOME="), env...)
	b.cmd.Stderr = b.log
	pipe, err := b.cmd.StdoutPipe()
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	})
	ready := make(chan error, 1)
	go func() {
		defer close(b.read)
		ready <- json.NewDecoder(pipe).Decode(&b.sandboxAnnouncement)
		_, _ = new(bytes.Buffer).ReadFrom(pipe)
	}()
	select {
	case err = <-ready:
	case <-time.After(patienceInTests):
		err = errors.New("it took too long")
	}
	if err != nil {
		t.Fatalf("restock sandbox %v: %v: %s", args, err, b.log)
	}
	return b
}

func (b *box) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := b.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-b.read
	_ = b.cmd.Wait() // the code says it
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%v ended the sandbox with code %d: %s", signal, code, b.log)
	}
}

func (b *box) client(redirectURL string) *lwa.Client {
	return &lwa.Client{
		ClientID: b.ClientID, ClientSecret: lwa.NewSecret(b.ClientSecret), RedirectURL: redirectURL,
		Endpoint: lwa.Endpoint{APIURL: b.APIURL},
	}
}

// signIn has a customer allow what a client asks for, and exchanges the code.
func signIn(t *testing.T, c *lwa.Client, scope string) (*lwa.Token, error) {
	t.Helper()
	verifier := lwa.NewVerifier()
	page, err := c.AuthCodeURL(lwa.AuthRequest{State: "state", Scopes: []string{scope}, CodeChallenge: lwa.Challenge(verifier)})
	if err != nil {
		t.Fatal(err)
	}
	back := consent(t, page)
	if back.Query().Get("code") == "" {
		t.Fatalf("the customer was sent to %s", back)
	}
	return c.Exchange(t.Context(), back.Query().Get("code"), verifier)
}

// consent opens an authorize page, allows what it asks, and returns where the browser
// is sent, without going there.
func consent(t *testing.T, page string) *url.URL {
	t.Helper()
	b := newBrowser()
	p, err := b.open(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if p.status != 200 || len(p.forms) == 0 {
		t.Fatalf("the authorize page: %d %s", p.status, p.text)
	}
	f := p.forms[0]
	f.fields.Set("decision", "allow")
	to, err := p.url.Parse(f.action)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to.String(), strings.NewReader(f.fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", to.Scheme+"://"+to.Host)
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("the consent was answered with %s: %v", res.Status, err)
	}
	return back
}

func TestSandbox(t *testing.T) {
	b := startSandbox(t, nil)
	if b.Exposed || b.TokenURL != b.APIURL+"/auth/o2/token" || b.ClientID == "" || b.ClientSecret == "" {
		t.Errorf("it announced %+v", b.sandboxAnnouncement)
	}
	for _, redirect := range []string{lwatest.DefaultRedirectURL, loginRedirectURL} {
		if tok, err := signIn(t, b.client(redirect), "profile"); err != nil || tok.RefreshToken.IsZero() {
			t.Errorf("a sign-in by %s: %v, %v", redirect, tok, err)
		}
	}
	p, err := newBrowser().open(t.Context(), b.Page)
	if err != nil || p.status != 200 || !strings.Contains(p.text, "Sandbox") {
		t.Errorf("the page: %v, %+v", err, p)
	}
	fault := map[string]any{"lwa": []any{map[string]any{"route": "token", "kind": "throttled", "retry_after": "7"}}}
	if err := (&control{newAPI(b.APIURL)}).post(t.Context(), "/sandbox/faults", fault); err != nil {
		t.Fatal(err)
	}
	_, err = b.client(loginRedirectURL).Refresh(t.Context(), lwa.NewSecret("Atzr|any"))
	var refused *lwa.Error
	if !errors.As(err, &refused) || refused.StatusCode != 429 || refused.RetryAfter != 7*time.Second {
		t.Errorf("with a fault it answered %v, want 429", err)
	}
	if strings.Contains(b.log.String(), b.ClientSecret) {
		t.Error("the secret was logged")
	}
	b.stop(t, os.Interrupt)
}

func TestSandboxClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.json")
	text := `[{"client_id":"amzn1.application-oa2-client.app","redirect_urls":["https://app.example.com/cb"],"scopes":["profile"]},
		{"client_id":"amzn1.application-oa2-client.site","client_secret":"canary-secret","redirect_urls":["https://site.example.com/cb"],"own_scopes":["example::own"],
		"grant_types":["authorization_code","client_credentials"],"origins":["https://site.example.com"]}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startSandbox(t, []string{clientSecretVariable + "=canary-own"}, "--client-id", "amzn1.application-oa2-client.own",
		"--redirect-url", "https://own.example.com/cb", "--scope", "profile", "--clients", file)
	if b.ClientID != "amzn1.application-oa2-client.own" || b.ClientSecret != "" {
		t.Errorf("it announced %+v, want the given client and no secret", b.sandboxAnnouncement)
	}
	for id, c := range map[string][2]string{
		"own": {"canary-own", "https://own.example.com/cb"}, "app": {"", "https://app.example.com/cb"}, "site": {"canary-secret", "https://site.example.com/cb"},
	} {
		client := b.client(c[1])
		client.ClientID, client.ClientSecret = "amzn1.application-oa2-client."+id, lwa.NewSecret(c[0])
		if _, err := signIn(t, client, "profile"); err != nil {
			t.Errorf("client %s: %v", id, err)
		}
		if _, err := client.ClientCredentials(t.Context(), "example::own"); (err == nil) != (id == "site") {
			t.Errorf("client %s asks for itself: %v", id, err)
		}
	}
	if strings.Contains(b.log.String(), "canary") {
		t.Error("a secret was logged")
	}
	b.stop(t, syscall.SIGTERM)
}

func TestSandboxKeeps(t *testing.T) {
	data := filepath.Join(t.TempDir(), "sandbox.db")
	b := startSandbox(t, nil, "--data", data)
	tok, err := signIn(t, b.client(loginRedirectURL), "profile")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Process.Kill(); err != nil { // what was answered is kept, whatever comes then
		t.Fatal(err)
	}
	<-b.read
	_ = b.cmd.Wait()
	again := startSandbox(t, nil, "--data", data)
	if again.ClientID != b.ClientID || again.ClientSecret != b.ClientSecret {
		t.Errorf("it announced another client: %+v, then %+v", b.sandboxAnnouncement, again.sandboxAnnouncement)
	}
	if _, err := again.client(loginRedirectURL).Refresh(t.Context(), tok.RefreshToken); err != nil {
		t.Errorf("the grant is lost: %v", err)
	}
}

func TestSandboxExposed(t *testing.T) {
	b := startSandbox(t, nil, "--host", "0.0.0.0", "--host-name", "amazon.test")
	if !b.Exposed {
		t.Error("it does not say that others can reach it")
	}
	for host, want := range map[string]int{"amazon.test": 200, "evil.test": 400} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.Page+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("called %s it answered %d, want %d", host, res.StatusCode, want)
		}
	}
}

func TestSandboxRefuses(t *testing.T) {
	bad, misspelt := filepath.Join(t.TempDir(), "clients.json"), filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(bad, []byte(`{"client_secret":"canary-secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `[{"client_id":"amzn1.application-oa2-client.site","secret":"canary-secret","redirect_urls":["https://site.example.com/cb"]}]`
	if err := os.WriteFile(misspelt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env, args, words []string
		code             int
	}{
		"secret without client ID": {[]string{clientSecretVariable + "=canary-secret"}, nil, []string{"RESTOCK_LWA_CLIENT_ID"}, exitUsage},
		"clients":                  {nil, []string{"--clients", bad}, []string{"--clients", bad, "JSON array"}, exitFailed},
		"misspelt member":          {nil, []string{"--clients", misspelt}, []string{"--clients", "client_secret", "own_scopes"}, exitFailed},
		"no clients":               {nil, []string{"--clients", bad + ".none"}, []string{"--clients"}, exitFailed},
		"redirect URL":             {nil, []string{"--redirect-url", "http://example.com/", "--port", port}, []string{"redirect URL", "https"}, exitFailed},
		"port in use":              {nil, []string{"--port", port}, []string{"--port 0"}, exitFailed},
		"port":                     {nil, []string{"--port", "70000"}, []string{"--port"}, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			r := restock(t, c.env, append([]string{"sandbox", "--port", "0"}, c.args...)...)
			r.sentence(t, c.code, c.words...)
			if strings.Contains(r.err+r.out, "canary") {
				t.Error("a secret was printed")
			}
		})
	}
}

func TestSandboxPortInUse(t *testing.T) {
	b := startSandbox(t, nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(b.APIURL, "http://"), ":")
	restock(t, nil, "sandbox", "--port", port).sentence(t, exitFailed, "in use", "such as --port 0 for a free port")
}

// The samples of the help are taken.
func TestSandboxHelp(t *testing.T) {
	b := startSandbox(t, nil)
	samples := regexp.MustCompile(`(?m)^ +curl --json '([^']+)' http://localhost:8081(\S+)$`).FindAllStringSubmatch(restock(t, nil, "sandbox", "--help").out, -1)
	if len(samples) != 3 {
		t.Fatalf("%d samples", len(samples))
	}
	for _, s := range samples {
		if err := (&control{newAPI(b.APIURL)}).post(t.Context(), s[2], json.RawMessage(s[1])); err != nil {
			t.Errorf("%s: %v", s[0], err)
		}
	}
}

func TestSandboxInWords(t *testing.T) {
	b := exec.Command(binary, "sandbox", "--port", "0")
	b.Env = append(cleanEnvironment(), "HOME="+t.TempDir())
	out, err := b.StdoutPipe()
	if err == nil {
		err = b.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Process.Kill() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Ctrl-C stops it") {
			if err := b.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Wait(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"/ap/oa", "/auth/o2/token", "client ID", "client secret", "export RESTOCK_LWA_API_URL=http://localhost:", "export RESTOCK_DRS_URL=http://localhost:", "export RESTOCK_LWA_CLIENT_SECRET=", "stopped"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, said.String())
		}
	}
}
