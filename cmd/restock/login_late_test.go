package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/local"
)

// before returns the environment of a sandbox behind a proxy, which calls back before it
// passes on a request for path.
func (b *box) before(t *testing.T, path string, call func(http.ResponseWriter, *http.Request)) []string {
	t.Helper()
	to, err := url.Parse(b.APIURL)
	if err != nil {
		t.Fatal(err)
	}
	next := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			call(w, r)
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return append(b.env(), "RESTOCK_LWA_API_URL="+proxy.URL, "RESTOCK_LWA_AUTHORIZE_URL="+b.AuthorizeURL)
}

// Once the customer has decided, the code is used up: neither a deadline nor Ctrl-C may
// cut the exchange off, nor hide what became of it.
func TestLoginStoppedWhileExchanging(t *testing.T) {
	for name, lost := range map[string]bool{"slow": false, "lost": true} {
		t.Run(name, func(t *testing.T) {
			redirect := freeRedirectURL(t)
			b := startSandbox(t, nil, "--redirect-url", redirect)
			var l *loginProcess
			env := b.before(t, "/auth/o2/token", func(_ http.ResponseWriter, r *http.Request) {
				_ = l.cmd.Process.Signal(os.Interrupt)
				select {
				case <-l.noted: // it has heard of it
				case <-r.Context().Done():
				}
				if lost {
					panic(http.ErrAbortHandler)
				}
			})
			l = startLogin(t, env, "--data", filepath.Join(t.TempDir(), "restock.db"), "--redirect-url", redirect)
			var authorize authorizeEvent
			l.says(t, "authorize", &authorize)
			back := consent(t, authorize.URL)
			status, page := openPage(t, back.String())
			if lost {
				r := l.ends(t)
				_, r.err, _ = strings.Cut(r.err, "\n") // the first is about Ctrl-C
				r.sentence(t, exitFailed, "lwa: exchange")
				return
			}
			if status != 200 {
				t.Errorf("the closing page: %d %s", status, page)
			}
			l.says(t, "signed_in", new(signedIn))
			if r := l.ends(t); r.code != 0 {
				t.Errorf("restock login: %+v", r)
			}
		})
	}
}

// The grant is stored before anything is done with its token.
func TestLoginKilledBeforeItKnowsWho(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	data := filepath.Join(t.TempDir(), "restock.db")
	var l *loginProcess
	env := b.before(t, "/auth/o2/tokeninfo", func(http.ResponseWriter, *http.Request) {
		_ = l.cmd.Process.Kill()
		panic(http.ErrAbortHandler)
	})
	l = startLogin(t, env, "--data", data, "--redirect-url", redirect)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	if p, err := newBrowser().open(t.Context(), consent(t, authorize.URL).String()); err == nil {
		t.Fatalf("the closing page: %+v", p)
	}
	l.ends(t)
	alive(t, b, token(t, env, "--data", data))
}

// What the customer has given waits for another command, however long that takes.
func TestLoginWaitsToStore(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	data := filepath.Join(t.TempDir(), "restock.db")
	l := startLogin(t, b.env(), "--data", data, "--redirect-url", redirect)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	f, err := local.OpenGrants(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, page := consent(t, authorize.URL), make(chan error, 1)
	go func() {
		p, err := newBrowser().open(t.Context(), back.String())
		if err == nil && p.status != 200 {
			err = errors.New(p.text)
		}
		page <- err
	}()
	select {
	case <-l.noted:
	case err := <-page:
		t.Errorf("it did not wait: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l.says(t, "signed_in", new(signedIn))
	if r := l.ends(t); r.code != 0 {
		t.Errorf("restock login: %+v", r)
	}
}

// Another command may have the sign-ins for long: Ctrl-C ends the waiting.
func TestTokenStoppedWhileWaiting(t *testing.T) {
	b := startSandbox(t, nil)
	data := filepath.Join(t.TempDir(), "restock.db")
	f, err := local.OpenGrants(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	started := make(chan *os.Process, 1)
	env := b.before(t, "/sandbox/clock", func(_ http.ResponseWriter, r *http.Request) {
		_ = (<-started).Signal(os.Interrupt)
		<-r.Context().Done() // it has heard of it
	})
	c := exec.CommandContext(t.Context(), binary, "token", "--data", data, "--scope", "messaging:push")
	c.Env = append(cleanEnvironment(), env...)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	started <- c.Process
	_ = c.Wait() // the code says it
	ran{c.ProcessState.ExitCode(), out.String(), stderr.String()}.sentence(t, exitFailed, "stopped")
}
