package callback_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// hanging is DRS, a publisher, and a store whose first Put of a registration hangs.
type hanging struct {
	callback.Store
	puts atomic.Int32
}

func (*hanging) Subscriptions(ctx context.Context, _ string) ([]drs.Slot, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*hanging) Publish(ctx context.Context, _, _ string, _ any) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Put(ctx context.Context, rec store.Record) error {
	if _, ok := rec.(*store.Registration); ok && h.puts.Add(1) == 1 {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.Put(ctx, rec)
}

// However slow everybody is, the registration is stored and the page answered before
// the function is killed, and in 25 s where nobody says when that is.
func TestCallbackEndsInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		given, end time.Duration // given 0: the request has no deadline
		exchange   time.Duration // each of three
		hangs      bool          // the first Put
	}{
		"on Lambda":            {28500 * time.Millisecond, 28500 * time.Millisecond, 6500 * time.Millisecond, false},
		"without deadline":     {0, 25 * time.Second, 5500 * time.Millisecond, false},
		"short":                {12 * time.Second, 12 * time.Second, time.Second, false},
		"on Lambda, Put hangs": {28500 * time.Millisecond, 28500 * time.Millisecond, 6500 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				slow := &hanging{Store: w.store}
				w.config.DRS, w.config.Publisher = slow, slow
				if tc.hangs {
					w.config.Store = slow
				}
				right := w.secret.list[0]
				old := func(s string) credentials.LWA {
					return credentials.LWA{ClientID: right.ClientID, ClientSecret: lwa.NewSecret(s)}
				}
				w.secret.list = []credentials.LWA{old("first"), old("second"), right}
				w.serve()
				b := w.browser()
				back := b.back(b.login(device), lwatest.Visitor{})
				if err := w.lwa.Script(lwatest.Fault{
					Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(tc.exchange), Times: 3,
				}); err != nil {
					t.Fatal(err)
				}
				w.fail(lwatest.RouteTokenInfo, lwatest.Hang, 9)

				began := time.Now()
				b.within(tc.given, back).want(t, http.StatusOK).has(t, "Your device is connected")
				if took := time.Since(began); took > tc.end {
					t.Errorf("it took %v, want %v at most", took, tc.end)
				}
				if reg := w.registration(); reg.Status != store.Active {
					t.Errorf("registration = %+v, want an active one", reg)
				}
				b.get(back).want(t, http.StatusOK)
			})
		})
	}
}

// A code is not sent when there would be no time to store what comes of it.
func TestCodeIsNotSentTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		back := b.back(b.login(device), lwatest.Visitor{})
		b.within(4*time.Second, back).want(t, http.StatusBadGateway).has(t, "Amazon did not answer")

		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		defer cancel()
		r := jsonRequest("/v1/registrations", `{"device_model":"`+model+`","serial":"`+serial+`","code":"ANdNAVhyhqirUelHGEHA",`+
			`"redirect_uri":"`+appURL+`","code_verifier":"`+verifier+`"}`)
		w.do(r.WithContext(ctx)).problem(t, http.StatusServiceUnavailable, "unavailable")
		if w.exchanges() != 0 || w.registration().Version != 0 {
			t.Errorf("%d codes were sent, registration %+v; want nothing", w.exchanges(), w.registration())
		}
	})
}

// within opens an address with a request that ends after d; 0: never.
func (b *browser) within(d time.Duration, address string) *answer {
	b.Helper()
	r := mustRequest(b, address)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	if d > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		r = r.WithContext(ctx)
	}
	return b.do(r)
}

// A browser that hangs up is nobody's fault.
func TestBrowserHangsUp(t *testing.T) {
	w := newWorld(t)
	id := w.startPairing("").ID
	b := w.browser()
	back := b.back(b.login(device), lwatest.Visitor{})
	var logged bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelInfo + 1})))
	defer slog.SetDefault(old)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range []*http.Request{
		mustRequest(t, origin+"/?pairing="+id), mustRequest(t, origin+"/login?"+device), mustRequest(t, back),
		jsonRequest("/v1/authorizations", `{"device_model":"A","serial":"1"}`), jsonRequest("/v1/pairings", `{"device_model":"A","serial":"1"}`),
	} {
		if a := w.do(r.WithContext(gone)); a.status == http.StatusInternalServerError {
			t.Errorf("%s = 500, want no fault", r.URL.Path)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("it is logged:\n%s", &logged)
	}
}

func jsonRequest(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, origin+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}
