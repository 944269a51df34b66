package tokens_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

const (
	device   = "ACME-VAC-1::SN0001"
	clientID = "amzn1.application-oa2-client.00000000000000000000000000000001"
	secret   = "amzn1.oa2-cs.v1.canary-secret"
	oldToken = "Atza|canary-old"
	oldFresh = "Atzr|canary-old"
)

// world is one store, one LWA and the keepers of a fleet.
type world struct {
	t     *testing.T
	store *memory
	lwa   *fakeLWA
	ring  *seal.Ring

	mu    sync.Mutex
	ended []*store.Registration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, store: &memory{records: map[string]store.Registration{}}, lwa: &fakeLWA{}, ring: newRing(t)}
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	return parseRing(t, `{"primary":"k1","k1":"one one one one one one one one one one one one"}`)
}

func parseRing(t *testing.T, text string) *seal.Ring {
	t.Helper()
	ring, err := seal.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// keeper makes one keeper of the fleet.
func (w *world) keeper(change ...func(*tokens.Keeper)) *tokens.Keeper {
	k := &tokens.Keeper{
		Store:       w.store,
		Credentials: credentials.Static(credentials.LWA{ClientID: clientID, ClientSecret: lwa.NewSecret(secret)}),
		Keys:        seal.Static(w.ring),
		HTTPClient:  &http.Client{Transport: w.lwa},
		Endpoint:    func(lwa.Region) lwa.Endpoint { return lwa.Endpoint{APIURL: "https://lwa.test"} },
		Ended: func(ctx context.Context, r *store.Registration) {
			if ctx.Err() != nil {
				w.t.Error("an end is told with a context that is over")
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ended = append(w.ended, r)
		},
	}
	for _, f := range change {
		f(k)
	}
	return k
}

// hooks is how often an end was told.
func (w *world) hooks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ended)
}

// pair stores a registration whose access token lives for life more.
func (w *world) pair(name string, life time.Duration, change ...func(*store.Registration)) *store.Registration {
	w.t.Helper()
	r := &store.Registration{
		Thing: name, DeviceModel: "ACME-VAC-1", Serial: "SN0001", Status: store.Active,
		Grant: "grant-1", Region: "na", ClientID: clientID,
	}
	t := &lwa.Token{AccessToken: lwa.NewSecret(oldToken), RefreshToken: lwa.NewSecret(oldFresh), Expiry: time.Now().Add(life)}
	w.seal(r, t)
	for _, f := range change {
		f(r)
	}
	if err := w.store.Put(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) seal(r *store.Registration, t *lwa.Token) {
	w.t.Helper()
	if err := w.keeper().Seal(w.t.Context(), r, t); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the stored registration.
func (w *world) read(name string) *store.Registration {
	w.t.Helper()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	r, ok := w.store.records[name]
	if !ok {
		w.t.Fatalf("no registration of %s", name)
	}
	return &r
}

// update changes the stored registration as another function would.
func (w *world) update(name string, change func(*store.Registration)) {
	w.t.Helper()
	r := w.read(name)
	change(r)
	if err := w.store.Put(context.Background(), r); err != nil {
		w.t.Error(err)
	}
}

// opened returns the stored tokens in clear.
func (w *world) opened(name string) (access, refresh string) {
	w.t.Helper()
	r := w.read(name)
	access, err := w.ring.Open(name, seal.FieldAccessToken, r.AccessToken)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.RefreshToken != "" {
		if refresh, err = w.ring.Open(name, seal.FieldRefreshToken, r.RefreshToken); err != nil {
			w.t.Fatal(err)
		}
	}
	return access, refresh
}

// wantToken checks an access token.
func wantToken(t *testing.T, got lwa.Secret, err error, want string) {
	t.Helper()
	if err != nil || got.Reveal() != want {
		t.Errorf("token = %q, %v, want %q", got.Reveal(), err, want)
	}
}

// wantError checks that err is an E, without a secret.
func wantError[E error](t *testing.T, err error) {
	t.Helper()
	_ = caught[E](t, err) // the check is all that is wanted
}

// caught is wantError and returns the E.
func caught[E error](t *testing.T, err error) E {
	t.Helper()
	wantNoCanary(t, fmt.Sprintf("%v %+v %#v", err, err, err))
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("error = %v (%T), want a %T", err, err, e)
	}
	return e
}

// wantNoCanary checks a text that people get to see. Every secret of these tests holds
// the word.
func wantNoCanary(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "canary") {
		t.Errorf("a secret is shown: %s", text)
	}
}

// TestMain looks through all that the tests have logged.
func TestMain(m *testing.M) {
	var logged bytes.Buffer
	slog.SetDefault(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	code := m.Run()
	if strings.Contains(logged.String(), "canary") {
		fmt.Println("a secret is logged:", logged.String())
		code = 1
	}
	os.Exit(code)
}
