package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

const companionID = "amzn1.application-oa2-client.companion"

// program is a running example.
type program struct {
	stdin io.Writer
	lines chan string

	mu   sync.Mutex
	said strings.Builder
}

func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, path, args...)
	p := &program{lines: make(chan string, 100)}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin, cmd.Stderr = in, cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.said.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait()
	})
	return p
}

// says waits for a line that matches, and returns what its group found.
func (p *program) says(t *testing.T, pattern string) string {
	t.Helper()
	form := regexp.MustCompile(pattern)
	patience := time.After(step)
	for {
		select {
		case line := <-p.lines:
			if found := form.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		case <-patience:
			t.Fatalf("it never said %q, but:\n%s", pattern, p.all())
		}
	}
}

func (p *program) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// tap is what went over a line between two programs.
type tap struct {
	lose sync.Map // paths whose next answer gets lost

	mu   sync.Mutex
	text bytes.Buffer
}

func (l *tap) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// between puts a tap before a server, and returns where it is reached.
func between(t *testing.T, server string) (string, *tap) {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l := new(tap)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(res *http.Response) error {
		dump, err := httputil.DumpResponse(res, true)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.text.Write(dump)
		return err
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		l.text.Write(dump)
		l.mu.Unlock()
		if _, lost := l.lose.LoadAndDelete(r.URL.Path); lost {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // which ends the connection
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, l
}

// exchanges are the names of what the exchanges of codes sent.
func (s *stack) exchanges(t *testing.T) (sent [][]string) {
	t.Helper()
	var journal struct {
		LWA []struct {
			GrantType string   `json:"grant_type"`
			Params    []string `json:"params"`
		} `json:"lwa"`
	}
	call(t, http.MethodGet, s.Sandbox+"/sandbox/journal", "", "", &journal)
	for _, e := range journal.LWA {
		if e.GrantType == "authorization_code" {
			sent = append(sent, e.Params)
		}
	}
	return sent
}

// The device makes the verifier, the app signs the customer in and carries the code back, and
// the device registers itself. The app sees neither verifier nor device key.
func TestCompanion(t *testing.T) {
	chrome := chromium(t)
	programs := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", programs+string(filepath.Separator), "../examples/companion/...").CombinedOutput(); err != nil {
		t.Fatalf("building the examples: %v\n%s", err, out)
	}
	s := startUp(t, "--public-clients", companionID)
	redirect := "http://" + freeAddress(t) + "/"
	registration, err := json.Marshal(map[string]any{"client_id": companionID, "redirect_urls": []string{redirect}})
	if err != nil {
		t.Fatal(err)
	}
	call(t, http.MethodPost, s.Sandbox+"/sandbox/clients", "", string(registration), new(struct{}))

	api, toRestock := between(t, s.Pages)
	device := start(t, filepath.Join(programs, "device"), "-restock", api, "-listen", "localhost:0")
	link, toDevice := between(t, device.says(t, `waits for its app on (\S+)`))
	pairing := func() (*program, *browser) {
		app := start(t, filepath.Join(programs, "app"), "-device", link, "-authorize", s.Sandbox+"/ap/oa", "-client-id", companionID, "-redirect", redirect)
		b := open(t, chrome, 360, 740)
		b.name = "companion"
		b.visit(app.says(t, `sign in: (\S+)`))
		b.sees("ACME-VAC-1", "SN0004")
		return app, b
	}

	app, b := pairing()
	b.press("Deny")
	b.sees("could not be connected")
	app.says(t, "access_denied")

	app, b = pairing()
	stranger := open(t, chrome, 360, 740)
	stranger.visit(redirect + "?code=ANstranger&state=guessed")
	stranger.sees("not the sign-in")
	toRestock.lose.Store("/v1/registrations", true) // the device asks again
	b.press("Allow")
	b.sees("Your device is connected.")
	b.look("connected")
	app.says(t, "the device is paired")
	device.says(t, `registered; Enter orders "(.*)"`)
	if _, err := io.WriteString(device.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	device.says(t, "press: ordered")

	exchanges := s.exchanges(t)
	if want := []string{"client_id", "code", "code_verifier", "grant_type", "redirect_uri"}; len(exchanges) != 1 || !slices.Equal(exchanges[0], want) {
		t.Errorf("the exchanges sent %v, want one with %v and no secret", exchanges, want)
	}
	secrets := regexp.MustCompile(`"(?:device_key|code_verifier)":"([^"]+)"`).FindAllStringSubmatch(toRestock.all(), -1)
	if len(secrets) != 4 || secrets[0][1] != secrets[2][1] || !strings.Contains(toDevice.all(), lwa.Challenge(lwa.NewSecret(secrets[0][1]))) {
		t.Fatalf("what the device told Restock holds %d secrets, want the verifier behind its challenge, and a key, both twice", len(secrets))
	}
	for _, secret := range secrets {
		if strings.Contains(toDevice.all()+app.all()+device.all(), secret[1]) {
			t.Error("the app saw a secret of the device, or one was printed")
		}
		b.hides(secret[1])
	}
}

// freeAddress is an address of loopback at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}
