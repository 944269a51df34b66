package lwa_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// A hook that ends its goroutine, as t.Fatal does, blocks neither the next callers nor the
// one who tries for all after trouble.
func TestFetchThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 503})
		if _, err := s.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(time.Minute)
		s.Fetch = func(context.Context, *lwa.Token) (*lwa.Token, error) {
			runtime.Goexit()
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Token(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("error = %v, %v, want one at once", err, ctx.Err())
		}
		m.failWith(nil)
		s.Fetch = m.fetch
		if _, err := s.Token(ctx); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

// A device that starts with its clock in the future gets a token, and then the right time: by
// its expiry the token would seem to live for a day.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		ahead := 24 * time.Hour
		s.Now = func() time.Time { return time.Now().Add(ahead).Round(0) } // no monotonic clock helps here
		s.Fetch = func(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
			token, err := m.fetch(ctx, last)
			token.Expiry = token.Expiry.Add(ahead)
			return token, err
		}
		wantToken(t, s, 1)
		ahead -= time.Second // what is that small is no reason to renew anything
		wantToken(t, s, 1)
		ahead = 0
		wantToken(t, s, 2)
		time.Sleep(50 * time.Minute)
		wantToken(t, s, 2)
		wantCalls(t, m, 2)
	})
}

// A clock that jumps forwards, as that of a machine that slept, costs one renewal.
func TestClockSetForwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var ahead time.Duration
		s.Now = func() time.Time { return time.Now().Add(ahead).Round(0) }
		s.Fetch = func(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
			token, err := m.fetch(ctx, last)
			token.Expiry = token.Expiry.Add(ahead)
			return token, err
		}
		wantToken(t, s, 1)
		ahead = 365 * 24 * time.Hour
		for range 10 {
			wantToken(t, s, 2)
		}
		wantCalls(t, m, 2)
	})
}

// A source without Fetch fails where it is used, not in a goroutine that nobody can recover.
func TestSourceWithoutFetch(t *testing.T) {
	if _, err := new(lwa.TokenSource).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "Fetch") {
		t.Errorf("error = %v, want one about Fetch", err)
	}
}

// A hook that heeds no context holds up nobody who has something else to do, and no
// goroutines pile up behind it.
func TestHookThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		release := make(chan struct{})
		s.Changed = func(context.Context, *lwa.Token) error {
			<-release
			return nil
		}
		before := runtime.NumGoroutine()
		for range 500 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error = %v, want the caller's deadline", err)
			}
			cancel()
		}
		if more := runtime.NumGoroutine() - before; more > 2 {
			t.Errorf("%d goroutines for one renewal", more)
		}
		over, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Wait(over); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() = %v, want its deadline", err)
		}
		close(release)
		if err := s.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		wantCalls(t, m, 1)
		wantToken(t, s, 1) // an hour is far: what was fetched then still serves
	})
}

// A grant that was revoked while its token lives costs some requests, not one a caller.
func TestRevokedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var told int
		s.Failed = func(_ context.Context, err error) {
			if told++; !errors.Is(err, lwa.InvalidGrant) {
				t.Errorf("told of %v", err)
			}
		}
		wantToken(t, s, 1)
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 400, Code: lwa.InvalidGrant})
		for end := time.Now().Add(time.Hour - 11*time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			wantToken(t, s, 1)
		}
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := m.calls.Load() - 1; n < 1 || n > 15 || told != int(n) {
			t.Errorf("%d requests for a revoked grant, %d told of, want one every half minute at most", n, told)
		}
		time.Sleep(time.Minute)
		if _, err := s.Token(t.Context()); !errors.Is(err, lwa.InvalidGrant) {
			t.Errorf("error = %v, want invalid_grant", err)
		}
	})
}

// Everything that a zero Client is asked for says what it lacks, or is asked of Amazon.
func TestZeroClient(t *testing.T) {
	for name, call := range calls {
		if name == "tokeninfo" || name == "profile" || name == "poll" {
			continue // the token, or the code pair, is all that these send
		}
		c := &lwa.Client{HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			t.Errorf("%s: a request was sent", name)
			return nil, errors.New("unwanted")
		})}}
		err := call(t, c)
		if err == nil || lwa.Explain(err) == "" {
			t.Errorf("%s: error = %v, explained as %q; want what to set", name, err, lwa.Explain(err))
		}
	}
}

// However long nobody may ask after a renewal in the background has failed, or however long one
// hangs: a token that has expired meanwhile is handed out no more.
func TestTokenExpiresWhileNobodyMayAsk(t *testing.T) {
	for name, trouble := range map[string]error{
		"asked to wait": &lwa.Error{Op: "refresh", StatusCode: 429, RetryAfter: time.Hour},
		"refused":       &lwa.Error{Op: "refresh", StatusCode: 400, Code: lwa.InvalidGrant},
		"no answer":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := new(maker)
				s := m.source()
				s.Initial = numbered(100, time.Hour)
				s.CallTimeout = 10 * time.Minute
				s.CoolDown = 10 * time.Minute
				s.Fetch = func(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
					if trouble == nil {
						<-ctx.Done()
					}
					return m.fetch(ctx, last)
				}
				m.failWith(trouble)
				wantToken(t, s, 100)
				time.Sleep(time.Hour - 11*time.Second) // nobody asked for long
				wantToken(t, s, 100)
				time.Sleep(12 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if got, err := s.Token(ctx); err == nil {
					t.Errorf("%v is handed out at %v", got, time.Now())
				}
				if err := s.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
