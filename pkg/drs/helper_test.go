package drs_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/restock-dev/restock/pkg/drs"
)

// canary is an access token that must turn up nowhere but in Authorization.
const canary = "Atza|canary-0123456789"

// wire is a server that remembers what it got, as it came, and answers one answer.
type wire struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request // with the body in Form["body"]
}

type canned struct {
	status int
	header http.Header
	body   string
}

func newWire(t *testing.T, a canned) *wire {
	t.Helper()
	w := new(wire)
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request: %v", err)
		}
		r.Form = map[string][]string{"body": {string(body)}}
		w.mu.Lock()
		w.seen = append(w.seen, r)
		w.mu.Unlock()
		for name, values := range a.header {
			rw.Header()[name] = values
		}
		rw.WriteHeader(a.status)
		_, _ = io.WriteString(rw, a.body)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *wire) client() *drs.Client { return &drs.Client{BaseURL: w.URL} }

// one returns the only request.
func (w *wire) one(t *testing.T) *http.Request {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) != 1 {
		t.Fatalf("%d requests were sent, want 1", len(w.seen))
	}
	return w.seen[0]
}

// roundTrip answers in memory.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func clientOf(f roundTrip) *drs.Client {
	return &drs.Client{BaseURL: "https://drs.invalid", HTTPClient: &http.Client{Transport: f}}
}

func answering(a canned) *drs.Client {
	return clientOf(func(r *http.Request) (*http.Response, error) {
		h := a.header
		if h == nil {
			h = http.Header{}
		}
		return &http.Response{
			StatusCode: a.status, Status: strconv.Itoa(a.status), Header: h, Request: r,
			Body: io.NopCloser(strings.NewReader(a.body)),
		}, nil
	})
}

// all are the kinds, of which every *Error is exactly one.
var all = []error{
	drs.ErrInvalidToken, drs.ErrUnsubscribed, drs.ErrUnknownSlot, drs.ErrBadRequest,
	drs.ErrThrottled, drs.ErrServer, drs.ErrUnexpected,
}

// wantKind checks that err is an *Error of that kind and of no other.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	_ = refusal(t, err, kind) // has checked
}

// refusal returns the *Error that err is, of that kind and of no other.
func refusal(t *testing.T, err, kind error) *drs.Error {
	t.Helper()
	var e *drs.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a *drs.Error", err)
	}
	for _, k := range all {
		if errors.Is(err, k) != (k == kind) { //nolint:errorlint // compares two sentinels
			t.Errorf("errors.Is(%q, %q) = %v", err, k, errors.Is(err, k))
		}
	}
	return e
}
