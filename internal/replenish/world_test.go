package replenish_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/openapitest"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
)

const (
	model  = "ACME-VAC-1"
	serial = "SN+1"
	vac    = "ACME-VAC-1::SN:2B1"
	grant  = "first grant"
)

// TestMain keeps the log out of the tests' output, and looks through all of it for
// secrets in the end.
func TestMain(m *testing.M) {
	var log safeBuffer
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	code := m.Run()
	if text := log.String(); strings.Contains(text, "canary") {
		at := strings.Index(text, "canary")
		println("the log holds a secret: …" + text[max(0, at-300):min(len(text), at+100)])
		code = 1
	}
	os.Exit(code)
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > 32<<20 { // a long fuzz run; what came first has been kept
		return len(p), nil
	}
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// world is the handler with everything that it talks to.
type world struct {
	testing.TB
	*replenish.Handler
	store  *memory
	drs    *drstest.Server
	keeper *keeper
	told   *told
	retry  *retry
	counts *metrics.Memory
	key    string // of the device
	routes http.Handler
}

// newWorld has one paired device. DRS has four slots of it: filter and bag subscribed,
// brush not, and one with an odd name.
func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	w := &world{TB: t, store: newMemory(), told: new(told), retry: new(retry), counts: new(metrics.Memory)}
	w.keeper = &keeper{token: "Atza|canary-1"}
	srv, err := drstest.New(drstest.Options{
		Authorize: func(token string) (drstest.Device, bool) {
			return drstest.Device{Model: model, Serial: serial}, w.keeper.good(token)
		},
		Models: map[string][]drstest.Slot{model: {
			{ID: "filter", Subscribed: true, ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"},
			{ID: "bag", Subscribed: true, ASIN: "B00EXAMPL2", Quantity: 1, Unit: "count"},
			{ID: "größe / 100 % ?", Subscribed: true, ASIN: "B00EXAMPL3", Quantity: 1, Unit: "count"},
			{ID: "brush"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.drs = srv
	w.Handler = &replenish.Handler{
		Store: w.store, Keeper: w.keeper, DRS: srv.Client(), Publisher: w.told,
		Pairings: pairings{}, Retry: w.retry, Metrics: w.counts,
	}
	w.key = devicekey.New(vac)
	w.register(store.Active, "")
	for _, c := range change {
		c(w)
	}
	var m web.Mux
	w.Routes(&m)
	w.routes = web.Wrap(&m, web.Options{})
	return w
}

// register writes the registration of the device anew.
func (w *world) register(status store.Status, reason string) {
	w.Helper()
	reg := &store.Registration{Thing: vac}
	if err := w.store.Get(context.Background(), reg); err != nil && !errors.Is(err, store.ErrNotFound) {
		w.Fatal(err)
	}
	*reg = store.Registration{
		Meta: reg.Meta, Thing: vac, DeviceModel: model, Serial: serial, Status: status, Reason: reason, StatusAt: time.Now().UTC().Truncate(time.Millisecond),
		Grant: grant, KeyHash: devicekey.Hash(w.key), RefreshToken: "sealed",
		Slots: []message.Slot{{Slot: "filter", Subscribed: true}},
	}
	if status != store.Active {
		reg.End(status, reason, reg.StatusAt)
	}
	if err := w.store.Put(context.Background(), reg); err != nil {
		w.Fatal(err)
	}
}

// registration returns the stored registration.
func (w *world) registration() *store.Registration {
	w.Helper()
	reg := &store.Registration{Thing: vac}
	if err := w.store.Get(context.Background(), reg); err != nil {
		w.Fatal(err)
	}
	return reg
}

// message returns a stored message.
func (w *world) message(id string) *store.Message {
	w.Helper()
	m := &store.Message{Thing: vac, ID: id}
	if err := w.store.Get(context.Background(), m); err != nil {
		w.Fatalf("message %q: %v", id, err)
	}
	return m
}

// bubble runs a test in which time passes at once.
func bubble(t *testing.T, test func(w *world), change ...func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, change...)) })
}

// script lets the next calls to a route of DRS go wrong.
func (w *world) script(route drstest.Route, kinds ...drstest.Kind) {
	w.Helper()
	for _, kind := range kinds {
		if err := w.drs.Script(drstest.Fault{Route: route, Kind: kind}); err != nil {
			w.Fatal(err)
		}
	}
}

// keeper hands out one token.
type keeper struct {
	mu      sync.Mutex
	token   string
	bad     []string // tokens that DRS doesn't take
	err     error    // of AccessToken
	errNew  error    // of Renew
	renewed int
	asked   int
	newest  *store.Registration // what a refresh reads; nil: there is none
}

func (k *keeper) AccessToken(_ context.Context, r *store.Registration) (lwa.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.newest != nil {
		*r = *k.newest
	}
	return k.hand(r, k.err)
}

func (k *keeper) hand(r *store.Registration, err error) (lwa.Secret, error) {
	switch r.Status {
	case store.Active:
	case store.GrantEnded:
		return lwa.Secret{}, &tokens.GrantEndedError{Reason: r.Reason, At: r.StatusAt}
	default:
		return lwa.Secret{}, tokens.ErrNotRegistered
	}
	if err != nil {
		return lwa.Secret{}, err
	}
	return lwa.NewSecret(k.token), nil
}

func (k *keeper) Renew(_ context.Context, r *store.Registration, rejected lwa.Secret) (lwa.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewed++
	if k.errNew == nil && rejected.Reveal() == k.token {
		k.token += "+"
	}
	return k.hand(r, k.errNew)
}

func (k *keeper) good(token string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, bad := range k.bad {
		if token == bad || bad == "any" {
			return false
		}
	}
	return token == k.token
}

// told is what devices were told.
type told struct {
	mu     sync.Mutex
	events []event
	err    error
}

type event struct {
	thing, event string
	payload      any
}

func (p *told) Publish(ctx context.Context, thing, name string, payload any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.err, ctx.Err()); err != nil {
		return err
	}
	p.events = append(p.events, event{thing, name, payload})
	return nil
}

func (p *told) all() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events
}

func (p *told) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// retry is the queue, which holds what it got.
type retry struct {
	mu     sync.Mutex
	events []message.RuleEvent
	err    error
}

func (q *retry) Enqueue(ctx context.Context, e message.RuleEvent) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := errors.Join(q.err, ctx.Err()); err != nil {
		return err
	}
	q.events = append(q.events, e)
	return nil
}

func (q *retry) all() []message.RuleEvent {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}

type pairings struct{}

func (pairings) StartOverMQTT(_ context.Context, _ string) (message.Pairing, error) {
	return message.Pairing{URL: "https://pair.example/?pairing=1", ExpiresAt: time.Now().Add(store.PairingTTL)}, nil
}

// up is an event of the rule.
func up(action, payload string) message.RuleEvent {
	return message.RuleEvent{
		Data: []byte(payload), Thing: vac, Action: action, ClientID: vac, Principal: "ab12",
		TraceID: "trace-1", ReceivedAt: time.Now().UnixMilli(),
	}
}

func pressed(slot, id string) message.RuleEvent {
	data, _ := json.Marshal(message.Replenish{Slot: slot, ID: id})
	return up(message.ActionReplenish, string(data))
}

// results returns the results that the device was told.
func (w *world) results() []message.Result {
	w.Helper()
	var list []message.Result
	for _, e := range w.told.all() {
		if r, ok := e.payload.(message.Result); ok {
			if e.thing != vac || e.event != message.EventResult {
				w.Errorf("result was told to %s as %s", e.thing, e.event)
			}
			list = append(list, r)
		}
	}
	return list
}

// last returns the last result that the device was told.
func (w *world) last() message.Result {
	w.Helper()
	list := w.results()
	if len(list) == 0 {
		w.Fatal("the device was told no result")
	}
	return list[len(list)-1]
}

// press sends a press over MQTT and returns what the device was told.
func (w *world) press(slot, id string) (message.Result, error) {
	w.Helper()
	n := len(w.results())
	err := w.Rule(w.Context(), pressed(slot, id))
	if len(w.results()) != n+1 {
		w.Fatalf("the device was told %d results, want 1", len(w.results())-n)
	}
	return w.last(), err
}

// done is press where the result must be final and the event not come again.
func (w *world) done(slot, id string) message.Result {
	w.Helper()
	r, err := w.press(slot, id)
	if err != nil {
		w.Fatalf("Rule() = %v, want it done", err)
	}
	if !r.Outcome.Final() {
		w.Errorf("outcome = %s, want a final one", r.Outcome)
	}
	return r
}

// putOff is press where the event must come again.
func (w *world) putOff(slot, id string) message.Result {
	w.Helper()
	r, err := w.press(slot, id)
	var again *replenish.RetryError
	if !errors.As(err, &again) || r.Outcome != message.Retrying {
		w.Fatalf("Rule() = %v, outcome %s; want a RetryError and retrying", err, r.Outcome)
	}
	return r
}

// want checks what a result says of an order.
func want(t testing.TB, r message.Result, outcome message.Outcome, code string) {
	t.Helper()
	if r.Outcome != outcome || r.DetailCode != code {
		t.Errorf("result = %s %q, want %s %q", r.Outcome, r.DetailCode, outcome, code)
	}
}

func (w *world) wantCalls(n int) {
	w.Helper()
	if got := w.drs.Calls(drstest.RouteReplenish); got != n {
		w.Errorf("%d replenish calls to DRS, want %d", got, n)
	}
}

func (w *world) wantOrders(n int) {
	w.Helper()
	if got := len(w.drs.Orders()); got != n {
		w.Errorf("%d orders at DRS, want %d", got, n)
	}
}

// counted returns the sum of a count, over the dimensions that are not named.
func (w *world) counted(name string, dimensions ...string) float64 {
	sum := 0.
	for _, s := range w.counts.Snapshot() {
		match := s.Name == name
		for i := 0; i < len(dimensions); i += 2 {
			match = match && s.Dimensions[dimensions[i]] == dimensions[i+1]
		}
		if match {
			sum += s.Value
		}
	}
	return sum
}

// call makes an HTTP request as the device.
func (w *world) call(method, path, body string, header ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.key)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	rec := openapitest.Serve(w, w.routes, r)
	if strings.Contains(rec.Body.String(), "canary") || strings.Contains(rec.Body.String(), w.key) {
		w.Errorf("the answer holds a secret: %s", rec.Body)
	}
	return rec
}

// post presses over HTTPS and returns the status and the result.
func (w *world) post(body string, header ...string) (int, message.Result) {
	w.Helper()
	rec := w.call("POST", "/v1/replenish", body, header...)
	var r message.Result
	if rec.Code < 300 {
		if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil {
			w.Fatalf("answer %d %s: %v", rec.Code, rec.Body, err)
		}
	}
	return rec.Code, r
}

type problem struct {
	Status        int
	Code, Field   string
	Detail, Title string
}

func (w *world) problem(rec *httptest.ResponseRecorder) problem {
	w.Helper()
	var p problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != rec.Code || p.Detail == "" {
		w.Fatalf("answer %d %s is no problem: %v", rec.Code, rec.Body, err)
	}
	return p
}

// faultyDRS answers a replenish in ways that drstest doesn't.
type faultyDRS struct {
	replenish.DRS
	order func(ctx context.Context, slot string) (*drs.ReplenishResult, error)
}

func (d *faultyDRS) Replenish(ctx context.Context, _, slot string) (*drs.ReplenishResult, error) {
	return d.order(ctx, slot)
}

// contextFor is the context of a function that has so much time left.
func contextFor(w *world, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.Context(), d)
}

// refusing is a DRS that refuses to deregister.
type refusing struct{ replenish.DRS }

func (refusing) Deregister(context.Context, string) error {
	return &drs.Error{Op: drs.OpDeregister, StatusCode: 403, Message: "no"}
}
