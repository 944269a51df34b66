package lwa_test

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Amazon may send the same refresh token again, another one, or none.
func TestRefreshSourceWithEveryRotation(t *testing.T) {
	for _, rotation := range []lwatest.Rotation{lwatest.Same, lwatest.NewOldLives, lwatest.NewOldDies, lwatest.Withheld} {
		t.Run(string(rotation), func(t *testing.T) {
			switches := lwatest.DefaultSwitches()
			switches.RefreshRotation = rotation
			srv, err := lwatest.New(lwatest.Options{Clock: lwatest.NewStoppedClock(noon), Switches: &switches})
			if err != nil {
				t.Fatal(err)
			}
			c := srv.Client()
			first := signIn(srv, "profile")
			s := c.RefreshSource(first)
			stored := first
			s.Changed = func(_ context.Context, t *lwa.Token) error {
				stored = t
				return nil
			}
			for hour := range 4 {
				got, err := s.Token(t.Context())
				if err != nil || got != stored || !got.Refreshable() {
					t.Fatalf("hour %d: %v, %v, stored %v", hour, got, err, stored)
				}
				if _, works := srv.Lookup(got.AccessToken.Reveal()); !works {
					t.Errorf("hour %d: a token that doesn't work", hour)
				}
				srv.Clock().Advance(time.Hour)
			}
			// A new process, from what is stored.
			if _, err := c.RefreshSource(stored).Token(t.Context()); err != nil {
				t.Errorf("from what is stored: %v", err)
			}
			if same := stored.RefreshToken.Equal(first.RefreshToken); same != (rotation == lwatest.Same || rotation == lwatest.Withheld) {
				t.Errorf("the refresh token is the first one: %t", same)
			}
		})
	}
}

func TestRefreshSourceWithoutRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, first := range map[string]*lwa.Token{
			"none": nil, "expired": {AccessToken: lwa.NewSecret("Atza|x"), Expiry: time.Now().Add(-time.Hour)},
		} {
			c := answering(200, nil, tokenBody)
			c.Now = nil
			if got, err := c.RefreshSource(first).Token(t.Context()); !errors.Is(err, lwa.ErrNoRefreshToken) {
				t.Errorf("%s: %v, %v, want ErrNoRefreshToken", name, got, err)
			}
		}
	})
}

// Hours of callers, failures, hooks that fail and tokens that are refused: at any time there
// is one request at most, and what is handed out works and is stored.
func TestSourceInAStorm(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func storm(t *testing.T, random *rand.Rand) {
	var (
		mu              sync.Mutex
		stored          = map[*lwa.Token]bool{}
		asking, fetched atomic.Int64
		served, failed  atomic.Int64
	)
	chance := func(percent int) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(100) < percent
	}
	s := &lwa.TokenSource{
		Fetch: func(ctx context.Context, _ *lwa.Token) (*lwa.Token, error) {
			if n := asking.Add(1); n > 1 {
				t.Errorf("%d requests at once", n)
			}
			defer asking.Add(-1)
			n := fetched.Add(1)
			time.Sleep(200 * time.Millisecond)
			switch {
			case chance(10):
				<-ctx.Done()
				return nil, &lwa.TransportError{Op: "refresh", Err: ctx.Err()}
			case chance(20):
				return nil, &lwa.Error{Op: "refresh", StatusCode: 503}
			case chance(5):
				return nil, &lwa.Error{Op: "refresh", StatusCode: 401, Code: lwa.InvalidClient}
			}
			return numbered(int(n), 20*time.Minute), nil
		},
		Changed: func(_ context.Context, token *lwa.Token) error {
			if chance(20) {
				return errors.New("disk full")
			}
			mu.Lock()
			defer mu.Unlock()
			stored[token] = true
			return nil
		},
	}
	var wg sync.WaitGroup
	for end := time.Now().Add(12 * time.Hour); time.Now().Before(end); time.Sleep(30 * time.Second) {
		for range 5 {
			wg.Go(func() {
				ctx := t.Context()
				if chance(20) {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				got, err := s.Token(ctx)
				if err != nil {
					failed.Add(1)
					return
				}
				served.Add(1)
				mu.Lock()
				known := stored[got]
				mu.Unlock()
				if !known || !time.Now().Before(got.Expiry) {
					t.Errorf("%v handed out at %v, stored: %t", got, time.Now(), known)
				}
				if chance(1) {
					s.Reject(got.AccessToken)
				}
			})
		}
	}
	wg.Wait()
	time.Sleep(time.Minute)
	if served.Load() < 9*failed.Load() || failed.Load() == 0 {
		t.Errorf("%d served and %d failed, want nine in ten served, and some failed", served.Load(), failed.Load())
	}
	if n := fetched.Load(); n > 600 {
		t.Errorf("%d requests in 12 hours of tokens that live 20 minutes", n)
	}
}

// Who lifts this package out of the repository takes nothing along but package flight.
func TestImports(t *testing.T) {
	for _, dir := range []string{".", "flight"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path := strings.Trim(i.Path.Value, `"`)
				if host, _, _ := strings.Cut(path, "/"); strings.Contains(host, ".") && path != "github.com/restock-dev/restock/pkg/lwa/flight" {
					t.Errorf("%s/%s imports %s", dir, e.Name(), path)
				}
			}
		}
	}
}

// A laptop sleeps while Amazon rotates the refresh token: the access token that came with
// the new one is over by the time it is looked at. The new one is stored, and used.
func TestRotationSurvivesASleep(t *testing.T) {
	for name, tt := range map[string]struct {
		sleeps int // how many calls are slept through
		fails  int // how often Changed fails
		works  int // which call of Token gets a token
	}{
		"once":                       {sleeps: 1, works: 1},
		"twice":                      {sleeps: 2, works: 2},
		"with a store that is down":  {sleeps: 1, fails: 1, works: 2},
		"for a night of many naps":   {sleeps: 5, works: 3},
		"twice, with the store down": {sleeps: 2, fails: 1, works: 2},
	} {
		t.Run(name, func(t *testing.T) {
			switches := lwatest.DefaultSwitches()
			switches.RefreshRotation = lwatest.NewOldDies
			srv, err := lwatest.New(lwatest.Options{Clock: lwatest.NewStoppedClock(noon), Switches: &switches})
			if err != nil {
				t.Fatal(err)
			}
			first := signIn(srv, "profile")
			c := srv.Client()
			inner, calls := c.HTTPClient.Transport, 0
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				resp, err := inner.RoundTrip(r)
				if calls <= tt.sleeps {
					srv.Clock().Advance(2 * time.Hour)
				}
				return resp, err
			})}
			s := c.RefreshSource(first)
			stored, told := first, 0
			s.Changed = func(_ context.Context, t *lwa.Token) error {
				if told++; told <= tt.fails {
					return errors.New("disk full")
				}
				stored = t
				return nil
			}
			srv.Clock().Advance(time.Hour)
			for n := range tt.works - 1 {
				before := calls
				if got, err := s.Token(t.Context()); err == nil || calls > before+2 {
					t.Fatalf("call %d: %v, %v after %d requests; want an error after two at most", n+1, got, err, calls-before)
				}
				srv.Clock().Advance(time.Minute)
			}
			got, err := s.Token(t.Context())
			if err != nil || got != stored {
				t.Fatalf("%v, %v, stored %v", got, err, stored)
			}
			if _, works := srv.Lookup(got.AccessToken.Reveal()); !works {
				t.Error("a token that doesn't work")
			}
			if _, err := c.Refresh(t.Context(), stored.RefreshToken); err != nil {
				t.Errorf("with what is stored: %v", err)
			}
		})
	}
}
