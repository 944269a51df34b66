package eventtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/wiring"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// local is a function in this process: with a data file for the table, the sandbox for
// Amazon, lists for the broker and the queues, and a time that stands still.
type local struct {
	parts    *wiring.Parts
	fixtures Fixtures
	function *gateway.Function

	amazon    *sandbox.Sandbox
	published published
	queue     queue
	fanout    fanout
	bus       bus
}

func newLocal(t *testing.T, build Build, env map[string]string) (*local, error) {
	t.Helper()
	environ := map[string]string{
		"RESTOCK_REDIRECT_URL": redirectURL, "RESTOCK_LWA_API_URL": "https://lwa.invalid", "RESTOCK_DRS_URL": "https://drs.invalid",
	}
	maps.Copy(environ, env)
	settings, err := config.Parse(environ)
	if err != nil {
		return nil, err
	}
	ring, err := seal.Parse([]byte(keyRing))
	if err != nil {
		return nil, err
	}
	w := new(local)
	clock := lwatest.NewStoppedClock(Now)
	if w.amazon, err = sandbox.New(sandbox.Options{Clock: clock, Client: Client(), Keep: Forget{}}); err != nil {
		return nil, err
	}
	records, err := bolt.Open(filepath.Join(t.TempDir(), "data.db"), bolt.Options{Now: clock.Now})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	w.fixtures = Fixtures{Now: Now, Store: records, Ring: ring, Shards: settings.Shards, Amazon: Here{w.amazon}}
	w.parts = &wiring.Parts{
		Config: settings, Store: records, Keys: seal.Static(ring),
		Credentials: credentials.Static(credentials.LWA{ClientID: clientID, ClientSecret: Client().Secret}),
		Publisher:   &w.published, Retry: &w.queue, Fanout: &w.fanout, Grants: &w.bus, Metrics: new(metrics.Memory),
		HTTPClient: &http.Client{Transport: toAmazon{w.amazon}}, Now: clock.Now,
	}
	w.function, err = build(w.parts)
	return w, err
}

// Fixtures implements [World].
func (w *local) Fixtures() *Fixtures { return &w.fixtures }

// Invoke implements [World].
func (w *local) Invoke(t *testing.T, event []byte) *Outcome {
	t.Helper()
	logged := captureLog(t)
	answer, failed := w.function.Invoke(t.Context(), event)
	o := &Outcome{
		Answer: answer, Published: w.published.list(), Queued: w.queue.list(), Sent: w.fanout.list(), Bus: w.bus.list(), Log: logged.String(),
	}
	if failed != nil {
		o.Error = errorType(failed) + ": " + failed.Error()
	}
	return o
}

// errorType is what Lambda calls the type of an error: it knows no packages.
func errorType(err error) string {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// captureLog returns what is logged from now on.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &out
}

// toAmazon brings requests to the sandbox, without a network.
type toAmazon struct{ *sandbox.Sandbox }

// RoundTrip implements [http.RoundTripper].
func (a toAmazon) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Host {
	case "lwa.invalid":
		return a.LWA.Transport().RoundTrip(r)
	case "drs.invalid":
		return a.DRS.Transport().RoundTrip(r)
	}
	return nil, fmt.Errorf("a test calls out to %s", r.URL.Host)
}

// Forget is a sandbox's memory that keeps nothing.
type Forget struct{}

// Load implements [sandbox.Keep].
func (Forget) Load(string) ([]sandbox.Record, error) { return nil, nil }

// Save implements [sandbox.Keep].
func (Forget) Save(string, []sandbox.Record) error { return nil }

// published is the broker.
type published struct {
	mu       sync.Mutex
	messages []Message
}

func (p *published) Publish(_ context.Context, thing, event string, payload any) error {
	var decoded any
	if err := json.Unmarshal(mustJSON(payload), &decoded); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, Message{Topic: message.Down(thing, event), Payload: decoded})
	return nil
}

func (p *published) list() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message{}, p.messages...)
}

// queue is the retry queue. Its messages are shown with the payload read.
type queue struct {
	mu       sync.Mutex
	messages []any
}

func (q *queue) Enqueue(_ context.Context, e message.RuleEvent) error {
	decoded, err := Queued(e)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, decoded)
	return nil
}

func (q *queue) list() []any {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]any{}, q.messages...)
}

// fanout is the refresh queue.
type fanout struct {
	mu     sync.Mutex
	bodies []string
}

func (f *fanout) Send(_ context.Context, bodies []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bodies = append(f.bodies, bodies...)
	return nil
}

func (f *fanout) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.bodies...)
}

// bus is the EventBridge bus.
type bus struct {
	mu     sync.Mutex
	events []any
}

func (b *bus) GrantEnded(_ context.Context, r *store.Registration) error {
	var decoded any
	if err := json.Unmarshal(mustJSON(r.State()), &decoded); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, decoded)
	return nil
}

func (b *bus) list() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]any{}, b.events...)
}
