package refresh_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// service is the refresh function with a real Keeper and store, and the sandbox as LWA.
type service struct {
	t       *testing.T
	store   *bolt.Store
	lwa     *lwatest.Server
	keeper  *tokens.Keeper
	handler *refresh.Handler
	ended   atomic.Int32
}

func newService(t *testing.T) *service {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "restock.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	srv, err := lwatest.New(lwatest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, store: db, lwa: srv}
	c := srv.Client()
	s.keeper = &tokens.Keeper{
		Store:       db,
		Credentials: credentials.Static(credentials.LWA{ClientID: c.ClientID, ClientSecret: c.ClientSecret}),
		Keys:        seal.Static(ring),
		HTTPClient:  &http.Client{Transport: srv.Transport()},
		Endpoint:    func(lwa.Region) lwa.Endpoint { return srv.Endpoint() },
		Shards:      shards,
		Ended:       func(context.Context, *store.Registration) { s.ended.Add(1) },
	}
	s.handler = &refresh.Handler{Keeper: s.keeper, Store: db, Shards: shards}
	return s
}

// pair has a customer sign in for a device.
func (s *service) pair(serial string) {
	s.t.Helper()
	c := s.lwa.Client()
	page, err := c.AuthCodeURL(lwa.AuthRequest{
		State: "s", Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{"dash:replenish": map[string]string{"device_model": "ACME-VAC-1", "serial": serial}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	back, err := s.lwa.Visit(page, lwatest.Visitor{})
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := c.Exchange(s.t.Context(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		s.t.Fatal(err)
	}
	r := &store.Registration{
		Thing: thing(serial), DeviceModel: "ACME-VAC-1", Serial: serial, Status: store.Active, Grant: serial, ClientID: c.ClientID,
	}
	if err := s.keeper.Seal(s.t.Context(), r, token); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Put(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

func thing(serial string) string { return "ACME-VAC-1::" + serial }

func (s *service) read(serial string) *store.Registration {
	s.t.Helper()
	r := &store.Registration{Thing: thing(serial)}
	if err := s.store.Get(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// hours lets the schedule run every minute.
func (s *service) hours(n int) (sum refresh.Summary) {
	s.t.Helper()
	for range n * 60 {
		time.Sleep(time.Minute)
		got, err := s.handler.Schedule(s.t.Context(), []byte(refresh.Task))
		if err != nil && got.Failed == 0 && !got.Outage {
			s.t.Error(err)
		}
		sum.Refreshed += got.Refreshed
		sum.Ended += got.Ended
		sum.Failed += got.Failed
		sum.OldestDue = max(sum.OldestDue, got.OldestDue)
	}
	return sum
}

// In ordinary life a press never waits: whenever it comes, a good token is there.
func TestNoTokenEverExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		for i := range 20 {
			s.pair(fmt.Sprintf("SN%04d", i))
		}
		for range 4 {
			s.hours(1)
			asked := s.lwa.Calls(lwatest.RouteToken, "refresh_token")
			for i := range 20 {
				r := s.read(fmt.Sprintf("SN%04d", i))
				token, err := s.keeper.AccessToken(t.Context(), r)
				if g, _ := s.lwa.Lookup(token.Reveal()); err != nil || !g.Alive || time.Until(r.Expiry) < 9*time.Minute {
					t.Errorf("%s: token that works: %v, %v, for %v", r.Thing, g.Alive, err, time.Until(r.Expiry))
				}
			}
			if n := s.lwa.Calls(lwatest.RouteToken, "refresh_token"); n != asked {
				t.Errorf("presses made %d calls to LWA, want none", n-asked)
			}
		}
		if n := s.lwa.Calls(lwatest.RouteToken, "refresh_token"); n < 80 || n > 110 {
			t.Errorf("20 devices in 4 hours took %d calls to LWA, want 4 or 5 each", n)
		}
	})
}

func TestSweepEndsWithdrawnGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		for i := range 10 {
			s.pair(fmt.Sprintf("SN%04d", i))
		}
		if _, err := s.lwa.Revoke(lwatest.Match{Serial: "SN0003"}); err != nil {
			t.Fatal(err)
		}
		sum := s.hours(1)
		if sum.Refreshed != 9 || sum.Ended != 1 || s.ended.Load() != 1 {
			t.Errorf("summary = %+v, %d ends told; want 9 refreshed, 1 ended, 1 told", sum, s.ended.Load())
		}
		if r := s.read("SN0003"); r.Status != store.GrantEnded || r.Reason != store.ReasonConsentWithdrawn {
			t.Errorf("SN0003 is %s %s, want grant_ended, consent_withdrawn", r.Status, r.Reason)
		}
		asked := s.lwa.Calls(lwatest.RouteToken, "refresh_token")
		if asked != 10 {
			t.Errorf("%d calls to LWA, want 10", asked)
		}
	})
}

// LWA is down for half an hour, while all tokens become due.
func TestSweepThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		for i := range 100 {
			s.pair(fmt.Sprintf("SN%04d", i))
		}
		time.Sleep(50 * time.Minute)
		const kept = 1000
		if err := s.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Unavailable, Times: kept}); err != nil {
			t.Fatal(err)
		}
		before := s.lwa.Calls(lwatest.RouteToken, "refresh_token")
		for range 30 {
			sum, err := s.handler.Schedule(t.Context(), []byte(refresh.Task))
			if err == nil || sum.Refreshed != 0 {
				t.Errorf("summary = %+v, %v in an outage", sum, err)
			}
			time.Sleep(time.Minute)
		}
		if n := s.lwa.Calls(lwatest.RouteToken, "refresh_token") - before; n > 50 {
			t.Errorf("LWA was asked %d times in 30 minutes of its outage, want one a minute and some at first", n)
		}
		s.lwa.ClearFaults()
		sum := s.hours(1)
		if sum.Refreshed < 100 || sum.Refreshed > 200 || s.ended.Load() != 0 {
			t.Errorf("after the outage: %+v, %d ended; want all refreshed", sum, s.ended.Load())
		}
		for i := range 100 {
			if r := s.read(fmt.Sprintf("SN%04d", i)); !r.Expiry.After(time.Now()) || r.Failures != 0 {
				t.Errorf("%s expires %v after %d failures", r.Thing, r.Expiry, r.Failures)
			}
		}
	})
}

// gauge is the last value of RefreshOldestDueSeconds.
type gauge struct {
	mu   sync.Mutex
	told []time.Duration
}

func (*gauge) Count(string, float64, ...string) {}

func (g *gauge) Seconds(name string, d time.Duration, _ ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if name == "RefreshOldestDueSeconds" {
		g.told = append(g.told, d)
	}
}

// minute is what the metric shows for a minute: the most that was told, and whether any was.
func (g *gauge) minute() (most time.Duration, told bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.told {
		most, told = max(most, d), true
	}
	g.told = nil
	return most, told
}

// queue hands the shards over at once.
type queue struct{ handler *refresh.Handler }

func (q *queue) Send(ctx context.Context, bodies []string) error {
	var event events.SQSEvent
	for _, b := range bodies {
		event.Records = append(event.Records, events.SQSMessage{Body: b})
	}
	_, err := q.handler.Queue(ctx, event)
	return err
}

// However small the fleet, the alarm goes off in an outage and stays on: a failure with its next
// attempt does not make a token less overdue.
func TestOldestDueGrowsThroughAnOutage(t *testing.T) {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	stack, err := cfn.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.Atoi(fmt.Sprint(cfn.At(stack, "Resources", "OldestDueAlarm", "Properties", "Threshold")))
	if err != nil {
		t.Fatal(err)
	}
	threshold := time.Duration(seconds) * time.Second
	for name, fans := range map[string]bool{"in one run": false, "by the queue": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				shown := new(gauge)
				s.handler.Metrics = shown
				if fans {
					s.handler.Fanout = &queue{s.handler}
				}
				s.pair("SN0001")
				due := s.read("SN0001").DueAt
				if err := s.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Unavailable, Times: 1000}); err != nil {
					t.Fatal(err)
				}
				run := func() (time.Duration, time.Duration) {
					time.Sleep(time.Minute)
					_, _ = s.handler.Schedule(t.Context(), []byte(refresh.Task)) // it may have failed
					got, told := shown.minute()
					if !told {
						t.Fatalf("nothing is told %v after the token was due", time.Since(due))
					}
					return got, max(0, time.Since(due))
				}
				for time.Since(due) < 3*time.Hour {
					got, late := run()
					if late == 0 && got != 0 || late > threshold && (got <= threshold || got > late || got < late-time.Minute) {
						t.Errorf("%v after the token was due the metric shows %v", late, got)
					}
				}
				s.lwa.ClearFaults()
				for range 6 { // the longest that an attempt is away
					run()
				}
				for range 10 {
					if got, _ := run(); got != 0 {
						t.Errorf("after the outage the metric shows %v, want 0", got)
					}
				}
			})
		})
	}
}
