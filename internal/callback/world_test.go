package callback_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const (
	origin      = "https://pair.example"
	model       = "ACME-VAC-1"
	serial      = "SN+1"
	name        = "ACME-VAC-1::SN:2B1"
	device      = "device_model=ACME-VAC-1&serial=SN%2B1"
	appID       = "amzn1.application-oa2-client.companion"
	appURL      = "amzn://com.example.app"
	verifier    = "5CFCAiZC0g0OA-jmBmmjTBZiyPCQsnq_2q5k9fD-aAY" // Amazon's sample
	customerOne = "amzn1.account.AEXAMPLEONE"
	customerTwo = "amzn1.account.AEXAMPLETWO"
)

var start = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// world is the handler with everything that it talks to.
type world struct {
	testing.TB
	lwa    *lwatest.Server
	client lwa.Client // as registered
	store  *memory
	drs    *slots
	told   *told
	keys   *keys
	secret *secrets
	counts *metrics.Memory
	config callback.Handler
	h      http.Handler
}

func newWorld(t testing.TB, change ...func(*callback.Handler)) *world {
	t.Helper()
	first := lwatest.DefaultClient()
	first.RedirectURLs = []string{origin + "/callback", appURL}
	srv, err := lwatest.New(lwatest.Options{
		Clock: lwatest.NewStoppedClock(start),
		Clients: []lwatest.Client{first, {
			ID: appID, RedirectURLs: []string{appURL},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, lwa: srv, client: *srv.Client(), store: newMemory(srv.Clock().Now), told: new(told), counts: new(metrics.Memory)}
	w.drs = &slots{list: []drs.Slot{{ID: "bag"}, {ID: "filter", Subscribed: true}}}
	w.keys = &keys{Source: seal.Static(newRing(t))}
	w.secret = &secrets{list: []credentials.LWA{{ClientID: first.ID, ClientSecret: first.Secret}}}
	endpoint := func(lwa.Region) lwa.Endpoint { return srv.Endpoint() }
	w.config = callback.Handler{
		Store: w.store, Credentials: w.secret, Keys: w.keys, DRS: w.drs, Publisher: w.told, Endpoint: endpoint,
		RedirectURL: origin + "/callback", PublicClients: []string{appID}, Metrics: w.counts,
		HTTPClient: w.client.HTTPClient, Now: srv.Clock().Now,
	}
	for _, c := range change {
		c(&w.config)
	}
	w.config.Keeper = &tokens.Keeper{
		Store: w.config.Store, Credentials: w.config.Credentials, Keys: w.config.Keys,
		Endpoint: endpoint, HTTPClient: w.config.HTTPClient, Now: srv.Clock().Now,
	}
	w.serve()
	return w
}

// wantCounts compares all that was counted.
func (w *world) wantCounts(want ...metrics.Sample) {
	w.Helper()
	if diff := cmp.Diff(want, w.counts.Snapshot()); diff != "" {
		w.Errorf("counts differ (-want +got):\n%s", diff)
	}
}

// with returns w for another test, as that of a fuzz target.
func (w *world) with(t testing.TB) *world {
	c := *w
	c.TB = t
	return &c
}

// serve makes the handler anew, as a restart does.
func (w *world) serve() {
	w.Helper()
	h, err := callback.New(w.config)
	if err != nil {
		w.Fatal(err)
	}
	var m web.Mux
	h.Routes(&m)
	w.h = &m
}

func newRing(t testing.TB) *seal.Ring {
	t.Helper()
	text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// slots stands in for DRS.
type slots struct {
	mu    sync.Mutex
	list  []drs.Slot
	err   error
	calls int
}

func (s *slots) Subscriptions(context.Context, string) ([]drs.Slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.list, s.err
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

func (o *told) Publish(_ context.Context, thing, name string, payload any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, event{thing, name, payload})
	return o.err
}

// keys is a key ring that can be out of reach.
type keys struct {
	seal.Source
	err error
}

func (k *keys) Ring(ctx context.Context) (*seal.Ring, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.Source.Ring(ctx)
}

// secrets are versions of our credentials, of which the first is current until it is
// reloaded.
type secrets struct {
	list    []credentials.LWA
	err     error
	reloads int
}

func (s *secrets) Current(context.Context) (credentials.LWA, error) { return s.list[0], s.err }

func (s *secrets) Reload(context.Context) ([]credentials.LWA, error) {
	s.reloads++
	return s.list, s.err
}

// registration returns the stored registration of the device; an absent one is empty.
func (w *world) registration() *store.Registration {
	w.Helper()
	reg := &store.Registration{Thing: name}
	if err := w.store.Get(context.Background(), reg); err != nil && !errors.Is(err, store.ErrNotFound) {
		w.Fatal(err)
	}
	return reg
}

// exchanges counts the codes sent to LWA.
func (w *world) exchanges() int { return w.lwa.Calls(lwatest.RouteToken, "authorization_code") }

// fail scripts trouble at LWA.
func (w *world) fail(route lwatest.Route, kind lwatest.Kind, times int) {
	w.Helper()
	if err := w.lwa.Script(lwatest.Fault{Route: route, Kind: kind, Times: times}); err != nil {
		w.Fatal(err)
	}
}
