package loopback_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/loopback"
)

const (
	state  = "state-of-this-sign-in"
	canary = "canary-code"
)

func listen(t *testing.T) *loopback.Receiver {
	t.Helper()
	r, err := loopback.Listen(t.Context(), "http://127.0.0.1:0/callback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// await runs Await and returns its result later.
func await(ctx context.Context, r *loopback.Receiver, finish func(context.Context, loopback.Answer) error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.Await(ctx, state, finish) }()
	return done
}

// visit sends a browser to the redirect URL, and returns status and page.
func visit(t *testing.T, method, address string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		req.Host = header[0]
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "canary") {
		t.Errorf("the page shows the code: %s", text)
	}
	return res.StatusCode, string(text), res.Header
}

func TestAwait(t *testing.T) {
	r := listen(t)
	got := make(chan loopback.Answer, 1)
	done := await(t.Context(), r, func(_ context.Context, a loopback.Answer) error {
		got <- a
		return nil
	})
	for name, c := range map[string]struct {
		method, address, host string
		want                  int
	}{
		"no state":      {"GET", r.URL() + "?code=" + canary, "", 400},
		"another state": {"GET", r.URL() + "?state=other&code=" + canary, "", 400},
		"two states":    {"GET", r.URL() + "?state=" + state + "&state=other&code=" + canary, "", 400},
		"another path":  {"GET", r.URL() + "/x?state=" + state + "&code=" + canary, "", 404},
		"another host":  {"GET", r.URL() + "?state=" + state + "&code=" + canary, "evil.example:80", 404},
		"a form":        {"POST", r.URL() + "?state=" + state + "&code=" + canary, "", 405},
	} {
		var host []string
		if c.host != "" {
			host = []string{c.host}
		}
		if status, page, _ := visit(t, c.method, c.address, host...); status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, page, c.want)
		}
	}
	status, page, h := visit(t, "GET", r.URL()+"?state="+state+"&scope=profile+postal_code&code="+canary)
	if status != 200 || !strings.Contains(page, "You are signed in") || !strings.Contains(page, "close this window") || !strings.Contains(page, "var(--good)") {
		t.Errorf("the closing page: %d %s", status, page)
	}
	if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the page may be kept or tell its address: %v", h)
	}
	if icon := `href="data:,"`; strings.Contains(page, icon) && !strings.Contains(h.Get("Content-Security-Policy"), "img-src data:;") {
		t.Errorf("the page has the icon %s, and its policy blocks it: %v", icon, h)
	}
	if a := <-got; a.Code != canary || !slices.Equal(a.Scopes, []string{"profile", "postal_code"}) {
		t.Errorf("finish got %+v", a)
	}
	if err := <-done; err != nil {
		t.Errorf("Await() = %v", err)
	}
	if _, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(r.URL(), "http://"), "/callback")); err == nil {
		t.Error("it still listens")
	}
}

// A second answer, which comes while the first is under way, is turned away.
func TestOneAnswer(t *testing.T) {
	r := listen(t)
	calls, release := make(chan string, 2), make(chan struct{})
	done := await(t.Context(), r, func(_ context.Context, a loopback.Answer) error {
		calls <- a.Code
		<-release
		return nil
	})
	first := make(chan int, 1)
	go func() {
		res, err := http.Get(r.URL() + "?state=" + state + "&code=one")
		if err != nil {
			first <- 0
			return
		}
		_ = res.Body.Close()
		first <- res.StatusCode
	}()
	<-calls
	if status, page, _ := visit(t, "GET", r.URL()+"?state="+state+"&code=two"); status != 409 {
		t.Errorf("the second answer: %d %s, want 409", status, page)
	}
	close(release)
	if status := <-first; status != 200 {
		t.Errorf("the first answer: %d", status)
	}
	if err := <-done; err != nil || len(calls) != 0 {
		t.Errorf("Await() = %v, and %d further calls", err, len(calls))
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		query, want string
		status      int
	}{
		"denied":          {"error=access_denied&error_description=canary", "the sign-in was refused (access_denied)", 200},
		"strange error":   {"error=" + url.QueryEscape("<canary>"), "the sign-in was refused (error)", 200},
		"long error":      {"error=" + strings.Repeat("a", 65), "the sign-in was refused (error)", 200},
		"no code":         {"", "the answer had no usable code; sign in again", 502},
		"two codes":       {"code=canary&code=b", "the answer had no usable code; sign in again", 502},
		"over long":       {"code=" + strings.Repeat("c", 1025), "the answer had no usable code; sign in again", 502},
		"finish, refused": {"code=canary", "no token", 502},
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t)
			done := await(t.Context(), r, func(context.Context, loopback.Answer) error { return errors.New("no token") })
			if status, page, _ := visit(t, "GET", r.URL()+"?state="+state+"&"+c.query); status != c.status || strings.Contains(page, "var(--good)") {
				t.Errorf("the page: %d %s, want %d, and no green", status, page, c.status)
			}
			if err := <-done; err == nil || err.Error() != c.want {
				t.Errorf("Await() = %v, want %s", err, c.want)
			}
		})
	}
}

func TestAwaitEnds(t *testing.T) {
	r := listen(t)
	late := errors.New("nobody came")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := await(ctx, r, nil)
	cancel(late)
	if err := <-done; !errors.Is(err, late) {
		t.Errorf("Await() = %v, want the cause", err)
	}
}

// A customer who comes at the last moment is not cut off.
func TestAwaitEndsWithAnswerTaken(t *testing.T) {
	r := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	taken, release := make(chan struct{}), make(chan struct{})
	done := await(ctx, r, func(ctx context.Context, _ loopback.Answer) error {
		close(taken)
		<-release
		return ctx.Err()
	})
	page := make(chan error, 1)
	go func() {
		res, err := http.Get(r.URL() + "?state=" + state + "&code=one")
		if err == nil {
			err = res.Body.Close()
		}
		page <- err
	}()
	<-taken
	cancel()
	close(release)
	if err := <-page; err != nil {
		t.Errorf("the closing page: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Await() = %v", err)
	}
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for _, bad := range []string{
		"", "localhost:8085", "https://localhost:8085/", "http://localhost/callback", "http://example.com:80/", "http://0.0.0.0:80/",
		"http://localhost:8085/?a=b", "http://localhost:8085/#x", "http://u:p@localhost:8085/", "http://192.0.2.1:80/", "http://localhost:99999/",
		"http://" + taken.Addr().String() + "/",
	} {
		if r, err := loopback.Listen(t.Context(), bad); err == nil {
			r.Close()
			t.Errorf("Listen(%q) listens", bad)
		}
	}
	r, err := loopback.Listen(t.Context(), "http://localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	u, err := url.Parse(r.URL())
	if err != nil || u.Hostname() != "localhost" || u.Port() == "0" || u.Path != "/" {
		t.Errorf("URL() = %s", r.URL())
	}
}
