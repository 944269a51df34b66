package lwatest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func script(t *testing.T, srv *lwatest.Server, kind lwatest.Kind, change ...func(*lwatest.Fault)) {
	t.Helper()
	f := lwatest.Fault{Route: lwatest.RouteToken, Kind: kind}
	for _, c := range change {
		c(&f)
	}
	if err := srv.Script(f); err != nil {
		t.Fatal(err)
	}
}

// TestFaults checks for each fault what a client sees of it, and whether the work was
// done: then the code is used up.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		kind          lwatest.Kind
		status        int // 0: no answer
		notJSON, done bool
		code          lwa.Code
		change        func(*lwatest.Fault)
		retryAfter    time.Duration
	}{
		{kind: lwatest.DropBefore},
		{kind: lwatest.DropAfter, done: true},
		{kind: lwatest.Truncated, status: 200, notJSON: true, done: true},
		{kind: lwatest.Empty, status: 200, notJSON: true, done: true},
		{kind: lwatest.WrongContentType, status: 200, notJSON: true, done: true},
		{kind: lwatest.HTML, status: 200, notJSON: true},
		{kind: lwatest.Unavailable, status: 503, notJSON: true},
		{kind: lwatest.ServerTrouble, status: 500, code: lwa.ServerError},
		{kind: lwatest.Throttled, status: 429},
		{
			kind: lwatest.Throttled, status: 429,
			change: func(f *lwatest.Fault) { f.RetryAfter = "17" }, retryAfter: 17 * time.Second,
		},
		{
			kind: lwatest.Unavailable, status: 503, notJSON: true,
			change: func(f *lwatest.Fault) { f.RetryAfter = "Thu, 08 Jan 2026 12:00:40 GMT" }, retryAfter: 40 * time.Second,
		},
	} {
		for how, srv := range map[string]*lwatest.Server{
			"in memory": newServer(t, nil), "over the network": lwatest.NewServer(t, options()),
		} {
			t.Run(string(tt.kind)+" "+how, func(t *testing.T) {
				code := visit(t, srv).Get("code")
				change := tt.change
				if change == nil {
					change = func(*lwatest.Fault) {}
				}
				script(t, srv, tt.kind, change)
				c := srv.Client()
				c.RedirectURL = redirectURL
				_, err := c.Exchange(t.Context(), code, lwa.Secret{})
				checkFault(t, err, tt.status, tt.notJSON, tt.code, tt.retryAfter)

				_, err = c.Exchange(t.Context(), code, lwa.Secret{})
				if usedUp := err != nil; usedUp != tt.done {
					t.Errorf("the next exchange: %v, want the code used up: %t", err, tt.done)
				}
				if len(srv.Faults()) != 0 {
					t.Errorf("faults are left: %v", srv.Faults())
				}
				entries := srv.Journal()
				if e := entries[len(entries)-2]; e.Fault != tt.kind || e.Status != tt.status {
					t.Errorf("journal = %+v, want fault %s and status %d", e, tt.kind, tt.status)
				}
			})
		}
	}
}

func checkFault(t *testing.T, err error, status int, notJSON bool, code lwa.Code, retryAfter time.Duration) {
	t.Helper()
	var unanswered *lwa.TransportError
	if status == 0 {
		if !errors.As(err, &unanswered) {
			t.Errorf("error is a %T (%v), want a *TransportError", err, err)
		}
		return
	}
	var e *lwa.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T (%v), want an *Error", err, err)
	}
	if e.StatusCode != status || e.NotJSON != notJSON || e.Code != code || e.RetryAfter != retryAfter || !e.Temporary() {
		t.Errorf("error = %+v, want status %d, NotJSON %t, code %q, Retry-After %v and temporary", e, status, notJSON, code, retryAfter)
	}
}

// TestSlowAndHang need no real time: the bubble's clock jumps.
func TestSlowAndHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, nil)
		token := lwa.NewSecret(paired(t, srv).str("refresh_token"))
		c := srv.Client()
		script(t, srv, lwatest.Slow, func(f *lwatest.Fault) { f.Delay = lwatest.Duration(3 * time.Second) })
		start := time.Now()
		if _, err := c.Refresh(t.Context(), token); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("slow: %v after %v, want an answer after 3s", err, time.Since(start))
		}
		for _, kind := range []lwatest.Kind{lwatest.Hang, lwatest.Slow} {
			script(t, srv, kind, func(f *lwatest.Fault) { f.Delay = lwatest.Duration(time.Minute) })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			start = time.Now()
			_, err := c.Refresh(ctx, token)
			var unanswered *lwa.TransportError
			if !errors.As(err, &unanswered) || !unanswered.Timeout() || time.Since(start) != 5*time.Second {
				t.Errorf("%s: %v after %v, want a time-out after 5s", kind, err, time.Since(start))
			}
			cancel()
		}
	})
}

func TestHangEndsWithClose(t *testing.T) {
	srv, err := lwatest.New(options())
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := srv.Start("127.0.0.1:0"); err == nil {
		t.Error("a second Start worked")
	}
	script(t, srv, lwatest.Hang)
	answered := make(chan error, 1)
	go func() {
		_, err := srv.Client().Refresh(t.Context(), lwa.NewSecret("Atzr|x"))
		answered <- err
	}()
	for srv.Calls(lwatest.RouteToken, "") == 0 { // until it hangs
		select {
		case err := <-answered:
			t.Fatalf("it did not hang: %v", err)
		default:
			runtime.Gosched()
		}
	}
	srv.Close()
	var unanswered *lwa.TransportError
	if err := <-answered; !errors.As(err, &unanswered) {
		t.Errorf("after Close: %v, want a *TransportError", err)
	}
}

func TestScriptIsTakenInOrder(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("refresh_token")
	err := srv.Script(
		lwatest.Fault{Route: lwatest.RouteTokenInfo, Kind: lwatest.ServerTrouble},
		lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled, GrantType: "authorization_code"},
		lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.ServerTrouble, Times: 2},
		lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Unavailable, GrantType: "refresh_token"},
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{500, 500, 503, 200} {
		if a := post(t, srv, refreshForm(token)); a.Status != want {
			t.Errorf("refresh %d = %d, want %d", i, a.Status, want)
		}
	}
	if a := post(t, srv, exchangeForm(visit(t, srv).Get("code"))); a.Status != 429 {
		t.Errorf("exchange = %d, want 429", a.Status)
	}
	if got := srv.Faults(); len(got) != 1 || got[0].Route != lwatest.RouteTokenInfo {
		t.Errorf("faults left = %v, want that of tokeninfo", got)
	}
	srv.ClearFaults()
	if a := get(t, srv, "/auth/o2/tokeninfo"); a.Status != 400 {
		t.Errorf("tokeninfo after ClearFaults = %d", a.Status)
	}
}

func TestFaultsOfPages(t *testing.T) {
	srv := newServer(t, nil)
	if err := srv.Script(lwatest.Fault{Route: lwatest.RouteAuthorize, Kind: lwatest.Unavailable}); err != nil {
		t.Fatal(err)
	}
	if a := get(t, srv, target()); a.Status != 503 || !strings.Contains(a.Body, "not available") {
		t.Errorf("authorize = %d", a.Status)
	}
}

// TestFaultsOfGrants: a fault can be about one grant type or the code pair alone; after
// the work the code pair is used up.
func TestFaultsOfGrants(t *testing.T) {
	srv := newServer(t, nil)
	if err := srv.Script(
		lwatest.Fault{Route: lwatest.RouteToken, GrantType: "client_credentials", Kind: lwatest.ServerTrouble},
		lwatest.Fault{Route: lwatest.RouteCodePair, Kind: lwatest.Throttled, RetryAfter: "3"},
		lwatest.Fault{Route: lwatest.RouteToken, GrantType: "device_code", Kind: lwatest.Empty},
		lwatest.Fault{Route: lwatest.RouteAppstore, Kind: lwatest.Unavailable},
	); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, srv, pairForm()); a.Status != 429 || a.Header.Get("Retry-After") != "3" {
		t.Errorf("code pair = %d %v, want 429", a.Status, a.Header)
	}
	if a := get(t, srv, "/api/appstore/v1/applications"); a.Status != 503 {
		t.Errorf("API = %d, want 503", a.Status)
	}
	paired(t, srv) // other grants go on
	if a := post(t, srv, clientForm()); a.Status != 500 || a.str("error") != "ServerError" {
		t.Errorf("client_credentials = %d %s, want 500", a.Status, a.Body)
	}
	pair := codePair(t, srv)
	if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{}); err != nil {
		t.Fatal(err)
	}
	if a := poll(t, srv, pair); a.Status != 200 || a.Body != "" {
		t.Errorf("device_code = %d %s, want an empty 200", a.Status, a.Body)
	}
	wantError(t, poll(t, srv, pair), "invalid_code_pair")
	wantTokens(t, post(t, srv, clientForm()))
}

func TestScriptRefuses(t *testing.T) {
	srv := newServer(t, nil)
	good := lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Throttled}
	for want, change := range map[string]func(*lwatest.Fault){
		"route":       func(f *lwatest.Fault) { f.Route = "" },
		"kind":        func(f *lwatest.Fault) { f.Kind = "broken" },
		"grant_type":  func(f *lwatest.Fault) { f.GrantType = "password" },
		"times":       func(f *lwatest.Fault) { f.Times = -1 },
		"delay":       func(f *lwatest.Fault) { f.Delay = lwatest.Duration(time.Hour) },
		"delay must":  func(f *lwatest.Fault) { f.Kind = lwatest.Slow },
		"retry_after": func(f *lwatest.Fault) { f.RetryAfter = "1\r\nX: y" },
		"goes with":   func(f *lwatest.Fault) { f.Kind, f.RetryAfter = lwatest.Hang, "1" },
	} {
		bad := good
		change(&bad)
		if err := srv.Script(good, bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Script(%+v) = %v, want an error about %s", bad, err, want)
		}
	}
	if n := len(srv.Faults()); n != 0 {
		t.Errorf("%d faults were queued", n)
	}
	if err := srv.Script(make([]lwatest.Fault, 0)...); err != nil {
		t.Error(err)
	}
	many := make([]lwatest.Fault, 1001)
	for i := range many {
		many[i] = good
	}
	if err := srv.Script(many...); err == nil {
		t.Error("1001 faults were taken")
	}
}

// TestTransportClosesBodies: whatever comes of a request, its body is closed, as every
// http.RoundTripper has to.
func TestTransportClosesBodies(t *testing.T) {
	srv := newServer(t, nil)
	for _, kind := range []lwatest.Kind{lwatest.DropBefore, lwatest.Truncated, lwatest.ServerTrouble} {
		script(t, srv, kind)
		body := &closing{Reader: strings.NewReader(url.Values{}.Encode())}
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://lwa.invalid/auth/o2/token", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Transport().RoundTrip(r)
		if answered := err == nil; answered != (kind != lwatest.DropBefore) {
			t.Errorf("%s: %v", kind, err)
		}
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			if broken := errors.Is(err, io.ErrUnexpectedEOF); broken != (kind == lwatest.Truncated) {
				t.Errorf("%s: reading the answer: %v", kind, err)
			}
			_ = resp.Body.Close()
		}
		if !body.closed {
			t.Errorf("%s: the body is open", kind)
		}
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}
