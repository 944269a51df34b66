// Package loopback receives the redirect of a sign-in that was begun in a terminal: it
// listens at a redirect URL on this machine, for one answer to one state.
//
// Source: RFC 8252 §7.3 and §8.
package loopback

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Bounds of what a caller can send. Amazon's codes have 128 characters at most.
const (
	maxURL      = 2048
	maxCode     = 1024
	maxScope    = 1024
	maxError    = 64
	stopTimeout = 5 * time.Second
)

// Receiver listens at a redirect URL. Make one with [Listen].
type Receiver struct {
	url       *url.URL
	listeners []net.Listener
}

var errForm = errors.New("must be an http URL on this machine with a port, such as http://localhost:8085/callback")

// Listen takes hold of the redirect URL's port, on loopback alone. Port 0 is a free one,
// which URL names.
//
// Errors: one sentence without subject about a URL that can't be, or the network's.
func Listen(ctx context.Context, redirectURL string) (*Receiver, error) {
	u, err := parse(redirectURL)
	if err != nil {
		return nil, err
	}
	listeners, port, err := listenAt(ctx, new(net.ListenConfig).Listen, u.Hostname(), u.Port())
	if err != nil {
		return nil, fmt.Errorf("can't be listened at, choose another port that is registered with Amazon: %w", err)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return &Receiver{url: u, listeners: listeners}, nil
}

// Check says why a redirect URL can't be listened at, in a sentence without subject.
func Check(redirectURL string) error {
	_, err := parse(redirectURL)
	return err
}

func parse(redirectURL string) (*url.URL, error) {
	u, err := url.Parse(redirectURL)
	if err != nil || len(redirectURL) > maxURL || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.ForceQuery ||
		strings.Contains(redirectURL, "#") || u.Port() == "" {
		return nil, errForm
	}
	if ip, err := netip.ParseAddr(u.Hostname()); !strings.EqualFold(u.Hostname(), "localhost") && (err != nil || !ip.IsLoopback()) {
		return nil, errForm
	}
	return u, nil
}

// URL is the redirect URL.
func (r *Receiver) URL() string { return r.url.String() }

// Close stops listening, where Await was not called.
func (r *Receiver) Close() { closeAll(r.listeners) }

// isAt reports whether a Host header names the redirect URL. Browsers leave out port 80.
func (r *Receiver) isAt(host string) bool {
	return strings.EqualFold(host, r.url.Host) || strings.EqualFold(host+":80", r.url.Host)
}

// RefusedError is an answer without a code.
type RefusedError struct {
	Code string // the error of the redirect, such as access_denied
}

// Error implements error.
func (e *RefusedError) Error() string { return "the sign-in was refused (" + e.Code + ")" }

// Answer is what a redirect brings.
type Answer struct {
	Code string
	// Scopes are those that the customer agreed to, which may be fewer than were asked for;
	// nil: not told.
	Scopes []string
}

// Await waits for the redirect with this state, hands its answer to finish, shows the browser
// what became of it, and stops listening. Redirects with another state are turned away, and
// so is everything after the first.
//
// Where ctx ends once an answer was taken, Await waits for finish, whose own ctx goes on:
// the code is used up, and there is no other.
//
// Errors: [*RefusedError], that of finish, or the cause of ctx.
func (r *Receiver) Await(ctx context.Context, state string, finish func(ctx context.Context, a Answer) error) error {
	a := &answer{receiver: r, state: state, ctx: context.WithoutCancel(ctx), finish: finish, done: make(chan error, 1)}
	server := &http.Server{
		Handler: a, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	for _, l := range r.listeners {
		go func() { _ = server.Serve(l) }() // it ends with Shutdown
	}
	defer func() { // the page is still to be sent
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close() // a browser keeps a connection ready
		}
	}()
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		if !a.isFirst() {
			return <-a.done
		}
		return context.Cause(ctx)
	}
}

// answer is the one answer to a state.
type answer struct {
	receiver *Receiver
	state    string
	ctx      context.Context // of finish: a browser that goes away takes nothing back
	finish   func(ctx context.Context, a Answer) error
	used     sync.Once
	done     chan error
}

// isFirst reports whether nobody has asked before.
func (a *answer) isFirst() (first bool) {
	a.used.Do(func() { first = true })
	return first
}

// ServeHTTP implements [http.Handler].
func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	state, code := q["state"], q["code"]
	switch {
	case !a.receiver.isAt(r.Host), r.URL.Path != a.receiver.url.Path:
		show(w, http.StatusNotFound, false, "Nothing is here", "This address takes the answer of one sign-in, and nothing else.")
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		show(w, http.StatusMethodNotAllowed, false, "That is not how it works", "Amazon's answer comes with GET.")
		return
	case len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(a.state)) != 1:
		show(w, http.StatusBadRequest, false, "That is another sign-in", "This answer does not belong to the sign-in that the terminal waits for. Open the link in the terminal again.")
		return
	}
	if !a.isFirst() {
		show(w, http.StatusConflict, false, "This was answered before", "Each sign-in takes one answer. The terminal says what became of it.")
		return
	}
	err := a.take(q.Get("error"), code, q.Get("scope"))
	var refused *RefusedError
	switch {
	case err == nil:
		show(w, http.StatusOK, true, "You are signed in", "You can close this window and go back to the terminal.")
	case errors.As(err, &refused):
		show(w, http.StatusOK, false, "You are not signed in", "Nothing was allowed. The terminal says more.")
	default: // the terminal says it; nothing of it belongs into a browser's history
		show(w, http.StatusBadGateway, false, "The sign-in failed", "The terminal says why.")
	}
	a.done <- err
}

func (a *answer) take(refusal string, code []string, scope string) error {
	switch {
	case refusal != "":
		if len(refusal) > maxError || strings.Trim(refusal, "abcdefghijklmnopqrstuvwxyz_") != "" {
			refusal = "error"
		}
		return &RefusedError{Code: refusal}
	case len(code) != 1 || code[0] == "" || len(code[0]) > maxCode:
		return errors.New("the answer had no usable code; sign in again")
	}
	got := Answer{Code: code[0]}
	if len(scope) <= maxScope {
		got.Scopes = strings.Fields(scope)
	}
	return a.finish(a.ctx, got)
}
