package tokens_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

// memory is a store of registrations that keeps the promises of package store.
type memory struct {
	mu        sync.Mutex
	records   map[string]store.Registration
	gets      int
	puts      int // that succeeded
	conflicts int
}

func (m *memory) Get(ctx context.Context, rec store.Record) error {
	r := rec.(*store.Registration)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	stored, ok := m.records[r.Thing]
	if !ok {
		return store.ErrNotFound
	}
	*r = stored
	r.Slots = slices.Clone(stored.Slots)
	return ctx.Err()
}

func (m *memory) Put(ctx context.Context, rec store.Record) error {
	r := rec.(*store.Registration)
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.records[r.Thing].Version != r.Version {
		m.conflicts++
		return store.ErrConflict
	}
	m.puts++
	r.Version++
	stored := *r
	stored.Slots = slices.Clone(r.Slots)
	m.records[r.Thing] = stored
	return nil
}

// counts returns gets and successful puts so far.
func (m *memory) counts() (gets, puts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gets, m.puts
}

// view is how one keeper sees the store: put may fail, or call do and fail then.
type view struct {
	tokens.Store
	put func(r *store.Registration, do func() error) error
	get func(do func() error) error
}

func (v *view) Put(ctx context.Context, rec store.Record) error {
	do := func() error { return v.Store.Put(ctx, rec) }
	if v.put == nil {
		return do()
	}
	return v.put(rec.(*store.Registration), do)
}

func (v *view) Get(ctx context.Context, rec store.Record) error {
	do := func() error { return v.Store.Get(ctx, rec) }
	if v.get == nil {
		return do()
	}
	return v.get(do)
}

var errStoreDown = fmt.Errorf("table is throttled: %w", store.ErrUnavailable)

// reply is an answer of LWA.
type reply struct {
	status int // 0: 200
	body   string
	header http.Header
	delay  time.Duration
	deaf   bool  // the delay doesn't end with the context: a process that sleeps
	err    error // instead of an answer
}

// fakeLWA answers refreshes from memory, so that time in a synctest bubble goes on.
type fakeLWA struct {
	mu     sync.Mutex
	calls  []url.Values
	answer func(n int, form url.Values) reply // nth call from 1; nil: token(n)
}

func (l *fakeLWA) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.calls = append(l.calls, form)
	n, answer := len(l.calls), l.answer
	l.mu.Unlock()
	r := token(n)
	if answer != nil {
		r = answer(n, form)
	}
	return r.send(req)
}

func (r reply) send(req *http.Request) (*http.Response, error) {
	if r.deaf {
		time.Sleep(r.delay)
	} else {
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(r.delay):
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	h := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
	for name, values := range r.header {
		h[name] = values
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
}

func (l *fakeLWA) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

// call returns the form of the nth call from 1.
func (l *fakeLWA) call(n int) url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[n-1]
}

// token is a success without a refresh token.
func token(n int) reply {
	return reply{body: fmt.Sprintf(`{"access_token":"Atza|canary-%d","token_type":"bearer","expires_in":3600}`, n)}
}

// rotated is a success with a new refresh token.
func rotated(n int) reply {
	return reply{body: fmt.Sprintf(`{"access_token":"Atza|canary-%d","refresh_token":"Atzr|canary-%d","token_type":"bearer","expires_in":3600}`, n, n)}
}

func refusal(status int, code string) reply {
	return reply{status: status, body: `{"error":"` + code + `","error_description":"no"}`}
}
