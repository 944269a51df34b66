package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/notify"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

const (
	model  = "ACME-VAC-1"
	serial = "SN+1"
	vac    = "ACME-VAC-1::SN:2B1"
	client = "amzn1.application-oa2-client.EXAMPLE"
)

var start = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// TestMain looks through all that was logged for what the notifications hold of customers.
func TestMain(m *testing.M) {
	var log safeBuffer
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	code := m.Run()
	if text := log.buf.String(); strings.Contains(text, "canary") {
		println("the log holds what it should not")
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
	if b.buf.Len() > 32<<20 { // a long fuzz run
		return len(p), nil
	}
	return b.buf.Write(p)
}

// world is the handler with everything that it talks to.
type world struct {
	testing.TB
	*notify.Handler
	clock  time.Time
	store  *memory
	told   *told
	bus    *bus
	counts *metrics.Memory
	drs    *drstest.Server
	sent   [][]byte // what DRS has notified
}

// newWorld has a device that was paired a moment ago, and its slots.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, clock: start, told: new(told), bus: new(bus), counts: new(metrics.Memory)}
	now := func() time.Time { return w.clock }
	w.store = &memory{records: map[store.Key][]byte{}, now: now}
	w.Handler = &notify.Handler{Store: w.store, Publisher: w.told, Grants: w.bus, Metrics: w.counts, Now: now}
	srv, err := drstest.New(drstest.Options{
		Now:       now,
		Authorize: drstest.Tokens(map[string]drstest.Device{"Atza|canary": device()}),
		Notify:    func(body []byte, _ map[string]string) { w.sent = append(w.sent, body) },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.drs = srv
	w.put(&store.Registration{
		Thing: vac, DeviceModel: model, Serial: serial, Status: store.Active, StatusAt: start, Grant: "first",
		ClientID: client, KeyHash: "hash", RefreshToken: "sealed", CustomerID: "amzn1.account.canary",
		Slots: []message.Slot{{Slot: "filter", Subscribed: true}},
	})
	w.clock = start.Add(10 * time.Minute)
	return w
}

func device() drstest.Device {
	return drstest.Device{Model: model, Serial: serial, ClientID: client, CustomerID: "amzn1.account.canary"}
}

func (w *world) put(rec store.Record) {
	w.Helper()
	if err := w.store.Put(context.Background(), rec); err != nil {
		w.Fatal(err)
	}
}

func (w *world) registration() *store.Registration {
	w.Helper()
	reg := &store.Registration{Thing: vac}
	if err := w.store.Get(context.Background(), reg); err != nil {
		w.Fatal(err)
	}
	return reg
}

func (w *world) order(id string) *store.Order {
	w.Helper()
	o := &store.Order{Thing: vac, InstanceID: id}
	if err := w.store.Get(context.Background(), o); err != nil {
		w.Fatal(err)
	}
	return o
}

// drain returns what DRS has notified since it was asked last.
func (w *world) drain() [][]byte {
	sent := w.sent
	w.sent = nil
	return sent
}

// take hands notifications to the handler, which must take each.
func (w *world) take(bodies ...[]byte) {
	w.Helper()
	for _, body := range bodies {
		if err := w.Notification(context.Background(), body); err != nil {
			w.Fatalf("Notification() = %v", err)
		}
	}
}

func (w *world) wantCount(outcome string, n float64) {
	w.Helper()
	sum := 0.
	for _, s := range w.counts.Snapshot() {
		if s.Name == "Notification" && s.Dimensions["outcome"] == outcome {
			sum += s.Value
		}
	}
	if sum != n {
		w.Errorf("%v notifications counted as %s, want %v; all: %v", sum, outcome, n, w.counts.Snapshot())
	}
}

// notice is a notification of our own making, with more members.
func notice(kind, id string, at time.Time, members string) []byte {
	if members != "" {
		members = "," + members
	}
	when := ""
	if !at.IsZero() {
		when = at.Format(`"notificationTime":"2006-01-02T15:04:05.000Z",`)
	}
	return fmt.Appendf(nil, `{"notificationInfo":{"notificationType":"%sNotification","lwaClientId":"%s",%s"notificationId":"%s"},
		"deviceInfo":{"deviceIdentifier":{"serialNumber":"%s"},"productIdentifier":{"modelId":"%s"}},
		"customerInfo":{"directedCustomerId":"amzn1.account.canary"}%s}`, kind, client, when, id, serial, model, members)
}

func orderInfo(id string) string {
	return `"orderInfo":{"instanceId":"` + id + `","slotId":"filter","productInfo":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPLE","estimatedDeliveryDate":"2026-01-15T07:59:59Z"}]}`
}

func cancelInfo(id string) string { return `"orderInfo":{"instanceId":"` + id + `","slotId":"filter"}` }

func slotsInfo(slots string) string {
	return `"subscriptionInfo":{"slotsSubscriptionStatus":` + slots + `}`
}

// told is what devices were told.
type told struct {
	events []event
	err    error
}

type event struct {
	thing, event string
	payload      any
}

func (p *told) Publish(_ context.Context, thing, name string, payload any) error {
	if p.err == nil {
		p.events = append(p.events, event{thing, name, payload})
	}
	return p.err
}

// bus is what the maker was told: the reasons why grants have ended.
type bus struct {
	reasons []string
	err     error
}

func (b *bus) GrantEnded(_ context.Context, r *store.Registration) error {
	if b.err == nil {
		b.reasons = append(b.reasons, r.Reason)
	}
	return b.err
}

// memory is a store that keeps the promises of package store.
type memory struct {
	mu      sync.Mutex
	records map[store.Key][]byte
	now     func() time.Time
	before  func(op string, rec store.Record) error // an error of it is what the call returns
}

var errStoreDown = fmt.Errorf("table is throttled: %w", store.ErrUnavailable)

func (m *memory) Get(_ context.Context, rec store.Record) error {
	if m.before != nil {
		if err := m.before("get", rec); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := m.stored(rec)
	if fresh == nil {
		return store.ErrNotFound
	}
	reflect.ValueOf(rec).Elem().Set(reflect.ValueOf(fresh).Elem())
	return nil
}

func (m *memory) stored(rec store.Record) store.Record {
	text, ok := m.records[rec.Key()]
	fresh := reflect.New(reflect.TypeOf(rec).Elem()).Interface().(store.Record)
	if !ok || json.Unmarshal(text, fresh) != nil {
		return nil
	}
	if end := fresh.Base().ExpiresAt; !end.IsZero() && !end.After(m.now()) {
		return nil
	}
	return fresh
}

func (m *memory) Put(_ context.Context, rec store.Record) error {
	if m.before != nil {
		if err := m.before("put", rec); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	version := int64(0)
	if old := m.stored(rec); old != nil {
		version = old.Base().Version
	}
	if version != rec.Base().Version {
		return store.ErrConflict
	}
	rec.Base().Version++
	text, err := json.Marshal(rec)
	m.records[rec.Key()] = text
	return err
}

// once makes one call fail: the next of an operation on a type of record.
func once(op string, of store.Record, err error) func(string, store.Record) error {
	var done atomic.Bool
	return func(o string, rec store.Record) error {
		if o != op || reflect.TypeOf(rec) != reflect.TypeOf(of) || done.Swap(true) {
			return nil
		}
		return err
	}
}

var errDeaf = errors.New("broker is away")
