package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// env is what the sandbox tells people to set for the other commands.
func (b *box) env() []string {
	return []string{"RESTOCK_LWA_API_URL=" + b.APIURL, "RESTOCK_LWA_CLIENT_ID=" + b.ClientID, clientSecretVariable + "=" + b.ClientSecret}
}

// loginProcess is a running restock login --json.
type loginProcess struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	all   strings.Builder
	log   *tail
	// noted is closed once it tells a person why it does not end.
	noted chan struct{}
}

// Write implements [io.Writer] for what a login says on standard error.
func (l *loginProcess) Write(b []byte) (int, error) {
	before := l.tells()
	n, err := l.log.Write(b)
	if !before && l.tells() {
		close(l.noted)
	}
	return n, err
}

func (l *loginProcess) tells() bool {
	said := l.log.String()
	return strings.Contains(said, "Ctrl-C again gives it up.") || strings.Contains(said, "once that has ended.")
}

func startLogin(t *testing.T, env []string, args ...string) *loginProcess {
	t.Helper()
	l := &loginProcess{log: new(tail), noted: make(chan struct{})}
	l.cmd = exec.Command(binary, append([]string{"login", "--json"}, args...)...)
	l.cmd.Env = append(append(cleanEnvironment(), "HOME="+t.TempDir(), "XDG_DATA_HOME="), env...)
	l.cmd.Stderr = l
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.cmd.Process.Kill() })
	stop := time.AfterFunc(patienceInTests, func() { _ = l.cmd.Process.Kill() })
	t.Cleanup(func() { stop.Stop() })
	l.lines = bufio.NewScanner(out)
	return l
}

// says returns the next line, which must be an event.
func (l *loginProcess) says(t *testing.T, event string, v any) {
	t.Helper()
	if !l.lines.Scan() {
		t.Fatalf("restock login ended before it said %s: %s", event, l.log)
	}
	l.all.Write(l.lines.Bytes())
	var e struct{ Event string }
	if err := json.Unmarshal(l.lines.Bytes(), &e); err != nil || e.Event != event || json.Unmarshal(l.lines.Bytes(), v) != nil {
		t.Fatalf("restock login said %s, want %s", l.lines.Text(), event)
	}
}

func (l *loginProcess) ends(t *testing.T) ran {
	t.Helper()
	for l.lines.Scan() {
		l.all.Write(l.lines.Bytes())
	}
	_ = l.cmd.Wait() // the code says it
	return ran{l.cmd.ProcessState.ExitCode(), l.all.String(), l.log.String()}
}

// openPage is a browser that goes where it is sent.
func openPage(t *testing.T, address string) (int, string) {
	t.Helper()
	p, err := newBrowser().open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return p.status, p.text
}

type authorizeEvent struct{ URL string }

func TestLogin(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	data := filepath.Join(t.TempDir(), "restock.db")
	l := startLogin(t, b.env(), "--data", data, "--redirect-url", redirect, "--scope", "profile", "--scope", "postal_code")
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	q, err := url.Parse(authorize.URL)
	if err != nil || q.Query().Get("code_challenge_method") != "S256" || q.Query().Get("scope") != "profile postal_code" || len(q.Query().Get("state")) < 43 {
		t.Errorf("it opens %s", authorize.URL)
	}
	back := consent(t, authorize.URL)
	wrong := *back
	wrong.RawQuery = url.Values{"code": {"canary-code"}, "state": {"other"}}.Encode()
	if status, page := openPage(t, wrong.String()); status != 400 {
		t.Errorf("an answer with another state: %d %s", status, page)
	}
	if status, page := openPage(t, back.String()); status != 200 || !strings.Contains(page, "You are signed in") {
		t.Errorf("the closing page: %d %s", status, page)
	}
	var done signedIn
	l.says(t, "signed_in", &done)
	if done.Customer != lwatest.DefaultCustomers()[0].UserID || !done.Renewable || done.ClientID != b.ClientID || done.Stored != local.GrantsPath(data) {
		t.Errorf("it says %+v", done)
	}
	if r := l.ends(t); r.code != 0 || strings.Contains(r.out+r.err, "Atz") || strings.Contains(r.out+r.err, b.ClientSecret) {
		t.Errorf("it ended with %+v", r)
	}
	first := token(t, b.env(), "--data", data)
	alive(t, b, first)
	if again := token(t, b.env(), "--data", data, "--scope", "postal_code", "--scope", "profile"); again != first {
		t.Error("another token, though the first is good")
	}
	advance(t, b, "2h")
	second := token(t, b.env(), "--data", data)
	if second == first {
		t.Error("a token was printed that is two hours old by the sandbox's clock")
	}
	alive(t, b, second)
}

// freeRedirectURL is one on loopback, whose port was free a moment ago.
func freeRedirectURL(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/callback"
}

// token runs restock token, which prints a token and nothing else.
func token(t *testing.T, env []string, args ...string) string {
	t.Helper()
	r := restock(t, env, append([]string{"token"}, args...)...)
	text, ok := strings.CutSuffix(r.out, "\n")
	if r.code != 0 || !ok || r.err != "" || !strings.HasPrefix(text, "At") || strings.ContainsAny(text, " \n\t\x1b") {
		t.Fatalf("restock token %v: %+v", args, r)
	}
	return text
}

func alive(t *testing.T, b *box, token string) {
	t.Helper()
	if _, err := b.client(loginRedirectURL).VerifyToken(t.Context(), lwa.NewSecret(token)); err != nil {
		t.Errorf("the token does not work: %v", err)
	}
}

func advance(t *testing.T, b *box, by string) {
	t.Helper()
	if err := (&control{newAPI(b.APIURL)}).post(t.Context(), "/sandbox/clock", map[string]string{"advance": by}); err != nil {
		t.Fatal(err)
	}
}

func TestLoginRefused(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	l := startLogin(t, nil, "--data", u.data)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	at, err := url.Parse(authorize.URL)
	if err != nil {
		t.Fatal(err)
	}
	denied := at.Query().Get("redirect_uri") + "?" + url.Values{"error": {"access_denied"}, "state": at.Query()["state"]}.Encode()
	if status, page := openPage(t, denied); status != 200 || !strings.Contains(page, "You are not signed in") {
		t.Errorf("the closing page: %d %s", status, page)
	}
	l.ends(t).sentence(t, exitFailed, "access_denied", "pressed Cancel")
	restock(t, nil, "token", "--data", u.data).sentence(t, exitSignIn, "restock login")
}

// What Amazon refuses comes back with a word, which alone helps nobody.
func TestLoginRefusedByAmazon(t *testing.T) {
	for word, want := range map[string]string{"invalid_scope": "single and double colons", "server_error": "in trouble", "teapot": "refused (teapot)"} {
		t.Run(word, func(t *testing.T) {
			l := startLogin(t, []string{"RESTOCK_LWA_CLIENT_ID=amzn1.application-oa2-client.1"}, "--redirect-url", "http://127.0.0.1:0/callback")
			var authorize authorizeEvent
			l.says(t, "authorize", &authorize)
			at, err := url.Parse(authorize.URL)
			if err != nil {
				t.Fatal(err)
			}
			openPage(t, at.Query().Get("redirect_uri")+"?"+url.Values{"error": {word}, "state": at.Query()["state"]}.Encode())
			l.ends(t).sentence(t, exitFailed, want)
		})
	}
}

// In words it says what to do next, and that works as it stands.
func TestLoginInWords(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	c := exec.CommandContext(t.Context(), binary, "login", "--data", filepath.Join(t.TempDir(), "my data.db"), "--redirect-url", redirect)
	c.Env = append(cleanEnvironment(), b.env()...)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	command := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if link := strings.TrimSpace(lines.Text()); strings.HasPrefix(link, "http://") {
			openPage(t, consent(t, link).String())
		}
		if _, after, found := strings.Cut(lines.Text(), "An access token: "); found {
			command = after
		}
	}
	if err := c.Wait(); err != nil || command == "" {
		t.Fatalf("restock login: %v, it says %q", err, command)
	}
	next := exec.CommandContext(t.Context(), "sh", "-c", command)
	next.Env = c.Env
	if text, err := next.Output(); err != nil || !strings.HasPrefix(string(text), "Atza|") {
		t.Errorf("%s: %v", command, err)
	}
}

// A sign-in that Amazon refuses says what to change, as a code pair does.
func TestLoginWithoutScopeData(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	l := startLogin(t, nil, "--data", u.data, "--scope", "dash:replenish")
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	if status, page := openPage(t, authorize.URL); status != 200 || !strings.Contains(page, "You are not signed in") {
		t.Errorf("the closing page: %d %s", status, page)
	}
	l.ends(t).sentence(t, exitFailed, "invalid_scope", "need a member of their own in scope_data")
}

// With a running restock up nothing needs to be set: its sandbox is found, by its clock.
func TestLoginToRunningUp(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	sandbox := &control{newAPI(u.Addresses.Sandbox)}
	if err := sandbox.post(t.Context(), "/sandbox/clock", map[string]string{"advance": "24h"}); err != nil {
		t.Fatal(err)
	}
	l := startLogin(t, nil, "--data", u.data)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	if status, page := openPage(t, consent(t, authorize.URL).String()); status != 200 {
		t.Errorf("the closing page: %d %s", status, page)
	}
	if r := l.ends(t); r.code != 0 {
		t.Fatalf("restock login: %+v", r)
	}
	data := []string{"--data", u.data}
	first := token(t, nil, data...)
	if err := sandbox.post(t.Context(), "/sandbox/clock", map[string]string{"advance": "58m"}); err != nil {
		t.Fatal(err)
	}
	second := token(t, nil, data...)
	if second == first {
		t.Error("a token with two minutes to live was not renewed")
	}
	if err := sandbox.post(t.Context(), "/sandbox/withdraw", map[string]string{"customer": lwatest.DefaultCustomers()[0].UserID}); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.post(t.Context(), "/sandbox/clock", map[string]string{"advance": "58m"}); err != nil {
		t.Fatal(err)
	}
	r := restock(t, nil, append([]string{"token"}, data...)...)
	r.sentence(t, exitSignIn, "restock login --scope profile")
	if r.out != "" {
		t.Errorf("it printed %q all the same", r.out)
	}
	if strings.Contains(u.log.String(), first) || strings.Contains(u.log.String(), second) {
		t.Error("a token was logged")
	}
}

// The customer may allow less than was asked for: then the grant is for less.
func TestLoginForFewerScopes(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	l := startLogin(t, nil, "--data", u.data, "--scope", "profile", "--scope", "postal_code", "--scope-data", `{"postal_code":{"essential":false}}`)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	voluntary := map[string]any{"lwa": map[string]any{"consent": "allow", "drop_voluntary": true}}
	if err := (&control{newAPI(u.Addresses.Sandbox)}).post(t.Context(), "/sandbox/switches", voluntary); err != nil {
		t.Fatal(err)
	}
	if status, page := openPage(t, authorize.URL); status != 200 || !strings.Contains(page, "You are signed in") {
		t.Errorf("the closing page: %d %s", status, page)
	}
	var done signedIn
	l.says(t, "signed_in", &done)
	if len(done.Scopes) != 1 || done.Scopes[0] != "profile" {
		t.Errorf("the grant is for %q, want profile", done.Scopes)
	}
	token(t, nil, "--data", u.data, "--scope", "profile")
	restock(t, nil, "token", "--data", u.data, "--scope", "postal_code").sentence(t, exitSignIn, "restock login --scope postal_code")
}

func TestLoginStopped(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	l := startLogin(t, nil, "--data", u.data)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	if err := l.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	l.ends(t).sentence(t, exitFailed, "stopped before anybody has signed in")
}

// withdraw has the customer withdraw consent, and every access token expire.
func (u *up) withdraw(t *testing.T) {
	t.Helper()
	sandbox := &control{newAPI(u.Addresses.Sandbox)}
	err := sandbox.post(t.Context(), "/sandbox/withdraw", map[string]string{"customer": lwatest.DefaultCustomers()[0].UserID})
	if err == nil {
		err = sandbox.post(t.Context(), "/sandbox/clock", map[string]string{"advance": "61m"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoginRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		env, args, words []string
		code             int
	}{
		"no client":         {nil, nil, []string{"RESTOCK_LWA_CLIENT_ID", "--client-id", "restock sandbox"}, exitUsage},
		"secret alone":      {[]string{clientSecretVariable + "=canary"}, nil, []string{"RESTOCK_LWA_CLIENT_ID"}, exitUsage},
		"elsewhere":         {nil, []string{"--redirect-url", "https://example.com/callback"}, []string{"--redirect-url", "on this machine"}, exitUsage},
		"region":            {nil, []string{"--region", "mars"}, []string{"--region must hold na, eu or fe"}, exitUsage},
		"scope data":        {nil, []string{"--scope-data", "{"}, []string{"--scope-data"}, exitUsage},
		"no LWA":            {nil, []string{"--client-id", "amzn1.application-oa2-client.1", "--lwa-url", "http://127.0.0.1:1", "--device"}, []string{"lwa: codepair"}, exitFailed},
		"nobody in time":    {nil, []string{"--client-id", "amzn1.application-oa2-client.1", "--redirect-url", "http://127.0.0.1:0/", "--timeout", "10ms"}, []string{"nobody has signed in within 10ms", "doctor --redirect-url http://127.0.0.1:"}, exitFailed},
		"others' directory": {nil, []string{"--client-id", "amzn1.application-oa2-client.1", "--redirect-url", "http://127.0.0.1:0/", "--data", "/dev/null/x"}, []string{"/dev/null", "name another file with --data"}, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			r := restock(t, c.env, append([]string{"login"}, c.args...)...)
			r.sentence(t, c.code, c.words...)
			if strings.Contains(r.err, "canary") {
				t.Error("the secret was printed")
			}
		})
	}
}
