package eventtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Now is the time in which the events happen.
var Now = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// World is what a function under test is put into: its parts, with a data file for the
// table, the sandbox for Amazon, and lists for the broker and the queues.
type World struct {
	Parts *cloud.Parts

	ring      *seal.Ring
	amazon    *sandbox.Sandbox
	published published
	queue     queue
	fanout    fanout
	bus       bus
}

// NewWorld makes an empty world in which the time stands still.
func NewWorld(t *testing.T, env map[string]string) *World {
	t.Helper()
	w, err := newWorld(filepath.Join(t.TempDir(), "data.db"), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Parts.Store.(*bolt.Store).Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func newWorld(file string, env map[string]string) (*World, error) {
	environ := map[string]string{
		"RESTOCK_REDIRECT_URL": redirectURL, "RESTOCK_LWA_API_URL": "https://lwa.invalid", "RESTOCK_DRS_URL": "https://drs.invalid",
	}
	maps.Copy(environ, env)
	settings, err := config.Parse(environ)
	if err != nil {
		return nil, err
	}
	w := new(World)
	if w.ring, err = seal.Parse([]byte(keyRing)); err != nil {
		return nil, err
	}
	clock := lwatest.NewStoppedClock(Now)
	if w.amazon, err = sandbox.New(sandbox.Options{Clock: clock, Client: client(), Keep: nothing{}}); err != nil {
		return nil, err
	}
	records, err := bolt.Open(file, bolt.Options{Now: clock.Now})
	if err != nil {
		return nil, err
	}
	w.Parts = &cloud.Parts{
		Config: settings, Store: records, Keys: seal.Static(w.ring),
		Credentials: credentials.Static(credentials.LWA{ClientID: clientID, ClientSecret: client().Secret}),
		Publisher:   &w.published, Retry: &w.queue, Fanout: &w.fanout, Grants: &w.bus, Metrics: new(metrics.Memory),
		HTTPClient: &http.Client{Transport: w}, Now: clock.Now,
	}
	return w, nil
}

// RoundTrip brings a request to the sandbox, without a network.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Host {
	case "lwa.invalid":
		return w.amazon.LWA.Transport().RoundTrip(r)
	case "drs.invalid":
		return w.amazon.DRS.Transport().RoundTrip(r)
	}
	return nil, fmt.Errorf("a test calls out to %s", r.URL.Host)
}

// calls counts the calls to Amazon, by route.
func (w *World) calls() map[string]int {
	counts := map[string]int{}
	for _, grantType := range []string{"authorization_code", "refresh_token"} {
		counts[grantType] = w.amazon.LWA.Calls(lwatest.RouteToken, grantType)
	}
	counts[string(lwatest.RouteTokenInfo)] = w.amazon.LWA.Calls(lwatest.RouteTokenInfo, "")
	for _, route := range drstest.Routes() {
		counts[string(route)] = w.amazon.DRS.Calls(route)
	}
	return counts
}

var member = regexp.MustCompile(`\$\{(\w+)\}`)

// record returns a stored record as JSON has it, nil for none. A ${x} in the key is
// member x of the body of an HTTP answer.
func (w *World) record(ctx context.Context, key string, answer []byte) (any, error) {
	key = member.ReplaceAllStringFunc(key, func(m string) string { return memberOf(answer, m[2:len(m)-1]) })
	rec, err := recordOf(key)
	if err != nil {
		return nil, err
	}
	switch err := w.Parts.Store.Get(ctx, rec); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var decoded any
	err = json.Unmarshal(mustJSON(rec), &decoded)
	return decoded, err
}

func memberOf(answer []byte, name string) string {
	var http struct{ Body string }
	var body map[string]any
	if json.Unmarshal(answer, &http) != nil || json.Unmarshal([]byte(http.Body), &body) != nil {
		return ""
	}
	text, _ := body[name].(string) // not text is as good as absent
	return text
}

// recordOf returns an empty record with the key "pk sk".
func recordOf(key string) (store.Record, error) {
	pk, sk, _ := strings.Cut(key, " ")
	kind, id, _ := strings.Cut(pk, "#")
	sub, subID, _ := strings.Cut(sk, "#")
	switch kind + " " + sub {
	case "D REG":
		return &store.Registration{Thing: id}, nil
	case "D MSG":
		return &store.Message{Thing: id, ID: subID}, nil
	case "D ORD":
		return &store.Order{Thing: id, InstanceID: subID}, nil
	case "D NTF":
		return &store.Notification{Thing: id, ID: subID}, nil
	case "L LOGIN":
		return &store.Login{StateHash: id}, nil
	case "P PAIRING":
		return &store.Pairing{ID: id}, nil
	}
	return nil, fmt.Errorf("there are no records under %q", key)
}

// nothing is a sandbox's memory that forgets.
type nothing struct{}

func (nothing) Load(string) ([]sandbox.Record, error) { return nil, nil }
func (nothing) Save(string, []sandbox.Record) error   { return nil }

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
	var payload any
	if err := json.Unmarshal(e.Data, &payload); err != nil {
		return err
	}
	var decoded map[string]any
	if err := json.Unmarshal(mustJSON(e), &decoded); err != nil {
		return err
	}
	decoded["data"] = payload
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
