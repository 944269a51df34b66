package lwa_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// maker is what a source fetches from: tokens that live an hour, numbered, each taking
// three seconds, or failures.
type maker struct {
	calls atomic.Int64
	mu    sync.Mutex
	fail  error
	last  []*lwa.Token
}

func (m *maker) fetch(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
	n := m.calls.Add(1)
	m.mu.Lock()
	fail := m.fail
	m.last = append(m.last, last)
	m.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(3 * time.Second):
	}
	if fail != nil {
		return nil, fail
	}
	return numbered(int(n), time.Hour), nil
}

func (m *maker) failWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func numbered(n int, life time.Duration) *lwa.Token {
	return &lwa.Token{
		AccessToken: lwa.NewSecret(fmt.Sprintf("Atza|%d", n)), RefreshToken: lwa.NewSecret(fmt.Sprintf("Atzr|%d", n)),
		TokenType: "bearer", Expiry: time.Now().Add(life),
	}
}

func (m *maker) source() *lwa.TokenSource {
	return &lwa.TokenSource{Fetch: m.fetch, Rand: func() float64 { return 0.5 }}
}

func wantToken(t *testing.T, s *lwa.TokenSource, n int) {
	t.Helper()
	got, err := s.Token(t.Context())
	if err != nil || got.AccessToken.Reveal() != fmt.Sprintf("Atza|%d", n) {
		t.Errorf("Token() = %v, %v, want number %d", got, err, n)
	}
}

func wantCalls(t *testing.T, m *maker, want int64) {
	t.Helper()
	if n := m.calls.Load(); n != want {
		t.Errorf("%d calls, want %d", n, want)
	}
}

func TestOneRequestForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { wantToken(t, s, 1) })
		}
		wg.Wait()
		wantCalls(t, m, 1)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("all waited %v, want the 3 s of the request", took)
		}
	})
}

func TestWhoGivesUpRobsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var wg sync.WaitGroup
		wg.Go(func() { // the first: the request is made on its behalf
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want its deadline", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() { wantToken(t, s, 1) })
		}
		wg.Wait()
		wantCalls(t, m, 1)
	})
}

func TestRenewedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		wantToken(t, s, 1)
		// With Early at 5 minutes and a jitter of a half: 6¼ minutes before the hour is over.
		time.Sleep(time.Hour - 6*time.Minute - 15*time.Second - time.Second)
		wantToken(t, s, 1)
		synctest.Wait()
		wantCalls(t, m, 1)

		time.Sleep(2 * time.Second)
		start := time.Now()
		for range 100 {
			wantToken(t, s, 1)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("callers waited %v while the old token still works", took)
		}
		time.Sleep(4 * time.Second)
		wantCalls(t, m, 2)
		wantToken(t, s, 2)
	})
}

func TestNotInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		s.Early = -1
		wantToken(t, s, 1)
		time.Sleep(time.Hour - 11*time.Second)
		wantToken(t, s, 1)
		synctest.Wait()
		wantCalls(t, m, 1)
		time.Sleep(2 * time.Second)
		wantToken(t, s, 2)
	})
}

// A failing renewal is nobody's trouble before the token is over.
func TestOldTokenServesThroughTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var told []error
		s.Failed = func(_ context.Context, err error) { told = append(told, err) }
		wantToken(t, s, 1)
		down := &lwa.Error{Op: "refresh", StatusCode: 503}
		m.failWith(down)
		time.Sleep(54 * time.Minute)
		for range 5 * 60 {
			wantToken(t, s, 1)
			time.Sleep(time.Second)
		}
		if n := m.calls.Load(); n < 5 || n > 20 {
			t.Errorf("%d calls in 5 minutes of trouble, want some, further and further apart", n)
		}
		if len(told) != int(m.calls.Load())-1 || !errors.Is(told[0], error(down)) {
			t.Errorf("%d failures told of %d calls: %v", len(told), m.calls.Load(), told)
		}
		time.Sleep(time.Minute)
		if _, err := s.Token(t.Context()); !errors.As(err, new(*lwa.Error)) {
			t.Errorf("error = %v after the token's end, want Amazon's", err)
		}
		m.failWith(nil)
		time.Sleep(time.Minute)
		if _, err := s.Token(t.Context()); err != nil {
			t.Errorf("error = %v after the trouble", err)
		}
	})
}

func TestRefusalIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 400, Code: lwa.InvalidGrant})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := s.Token(t.Context()); !errors.Is(err, lwa.InvalidGrant) {
					t.Errorf("error = %v, want invalid_grant", err)
				}
			})
		}
		wg.Wait()
		for range 29 {
			_, err := s.Token(t.Context())
			var held *lwa.HeldBackError
			if !errors.As(err, &held) || !errors.Is(err, lwa.InvalidGrant) || held.RetryAfter < time.Second || held.RetryAfter > 30*time.Second {
				t.Fatalf("error = %v, want invalid_grant held back", err)
			}
			if after, again := lwa.Retry(err); again || after != held.RetryAfter {
				t.Errorf("Retry() = %v, %t, want %v, false", after, again, held.RetryAfter)
			}
			time.Sleep(time.Second)
		}
		wantCalls(t, m, 1)
		time.Sleep(2 * time.Second)
		m.failWith(nil)
		wantToken(t, s, 2)
	})
}

func TestRetryAfterOfTroubleIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 429, RetryAfter: 90 * time.Second})
		for range 89 {
			if after, again := lwa.Retry(second(s.Token(t.Context()))); !again || after < time.Second {
				t.Fatalf("Retry() = %v, %t, want later", after, again)
			}
			time.Sleep(time.Second)
		}
		wantCalls(t, m, 1)
	})
}

func second(_ *lwa.Token, err error) error { return err }

// What Changed is told of, it knows before anybody uses it.
func TestChangedComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var stored atomic.Pointer[lwa.Token]
		s.Changed = func(_ context.Context, token *lwa.Token) error {
			time.Sleep(2 * time.Second)
			stored.Store(token)
			return nil
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got, err := s.Token(t.Context()); err != nil || got != stored.Load() {
					t.Errorf("%v, %v handed out, %v stored", got, err, stored.Load())
				}
			})
		}
		wg.Wait()
	})
}

// What can't be stored isn't used, and isn't lost.
func TestChangedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		full := errors.New("disk full")
		var works atomic.Bool
		var told []string
		s.Changed = func(_ context.Context, token *lwa.Token) error {
			told = append(told, token.RefreshToken.Reveal())
			if works.Load() {
				return nil
			}
			return full
		}
		for range 3 {
			_, err := s.Token(t.Context())
			var hook *lwa.HookError
			if _, again := lwa.Retry(err); !errors.As(err, &hook) || !errors.Is(err, full) || !again {
				t.Errorf("error = %v, again: %t, want a HookError", err, again)
			}
			time.Sleep(time.Minute)
		}
		works.Store(true)
		wantToken(t, s, 1)
		wantCalls(t, m, 1)
		if fmt.Sprint(told) != "[Atzr|1 Atzr|1 Atzr|1 Atzr|1]" {
			t.Errorf("told = %v, want the same token each time", told)
		}

		// While the old one works, nobody notices.
		works.Store(false)
		time.Sleep(51 * time.Minute)
		wantToken(t, s, 1)
		time.Sleep(5 * time.Second)
		wantToken(t, s, 1)
		wantCalls(t, m, 2)
		// An access token that has meanwhile expired is fetched anew, with the newest refresh token.
		time.Sleep(2 * time.Hour)
		works.Store(true)
		wantToken(t, s, 3)
		if last := m.last[2]; last.RefreshToken.Reveal() != "Atzr|2" {
			t.Errorf("refreshed with %s, want the token that was never stored", last.RefreshToken.Reveal())
		}
	})
}

func TestInitialToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for life, first := range map[time.Duration]int{time.Hour: 100, 11 * time.Second: 100, 9 * time.Second: 1, 0: 1, -time.Hour: 1} {
			m := new(maker)
			s := m.source()
			s.Initial = numbered(100, life)
			wantToken(t, s, first)
			if first == 1 && m.last[0] != s.Initial {
				t.Errorf("life %v: fetched from %v, want the initial token", life, m.last[0])
			}
		}
		m := new(maker)
		s := m.source()
		s.Initial = &lwa.Token{RefreshToken: lwa.NewSecret("Atzr|only")}
		wantToken(t, s, 1)
	})
}

func TestReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		s.Initial = numbered(100, time.Hour)
		wantToken(t, s, 100)
		if !s.Reject(lwa.NewSecret("Atza|100")) {
			t.Error("Reject() = false for the current token")
		}
		wantToken(t, s, 1)
		if !s.Reject(lwa.NewSecret("Atza|100")) {
			t.Error("Reject() = false for a token that was replaced")
		}
		if s.Reject(lwa.NewSecret("Atza|1")) {
			t.Error("Reject() = true for a token fetched just now")
		}
		wantToken(t, s, 1)
		wantCalls(t, m, 1)
		time.Sleep(30 * time.Second)
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 503})
		if !s.Reject(lwa.NewSecret("Atza|1")) {
			t.Error("Reject() = false after the cool-down")
		}
		if got, err := s.Token(t.Context()); err == nil {
			t.Errorf("a rejected token is handed out: %v", got)
		}
	})
}

func TestUselessFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, token := range []*lwa.Token{nil, {}, numbered(1, 0), {Expiry: time.Now().Add(time.Hour)}} {
			s := &lwa.TokenSource{Fetch: func(context.Context, *lwa.Token) (*lwa.Token, error) { return token, nil }}
			if got, err := s.Token(t.Context()); err == nil {
				t.Errorf("handed out %v", got)
			}
		}
	})
}

func TestHangingFetchIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lwa.TokenSource{Fetch: func(ctx context.Context, _ *lwa.Token) (*lwa.Token, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		start := time.Now()
		if _, err := s.Token(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("error = %v after %v, want the deadline after 10 s", err, time.Since(start))
		}
	})
}

func TestFastPathAllocatesNothing(t *testing.T) {
	s := new(maker).source()
	s.Initial = numbered(100, time.Hour)
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Token(t.Context()) }); n != 0 {
		t.Errorf("%v allocations for a token that is there, want 0", n)
	}
}

func BenchmarkTokenSource(b *testing.B) {
	s := new(maker).source()
	s.Initial = numbered(100, time.Hour)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Token(ctx); err != nil {
				b.Error(err)
			}
		}
	})
}

// A program that ends while a token is being renewed waits first, so that what Amazon has sent
// gets to where it is stored.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(maker)
		s := m.source()
		var stored atomic.Int64
		s.Changed = func(context.Context, *lwa.Token) error {
			time.Sleep(2 * time.Second)
			stored.Add(1)
			return nil
		}
		wait := func(want time.Duration) {
			t.Helper()
			start := time.Now()
			if err := s.Wait(t.Context()); err != nil || time.Since(start) != want {
				t.Errorf("Wait() = %v after %v, want nil after %v", err, time.Since(start), want)
			}
		}
		wait(0) // nothing is under way

		// One whose only caller gave up.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the deadline", err)
		}
		if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() = %v with a context that is over, want its cause", err)
		}
		wait(4 * time.Second)
		wantToken(t, s, 1)

		// One in the background, for several who wait.
		time.Sleep(55 * time.Minute)
		wantToken(t, s, 1)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { wait(5 * time.Second) })
		}
		wg.Wait()
		if n := stored.Load(); n != 2 {
			t.Errorf("%d tokens stored, want 2", n)
		}

		// One that fails.
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 503})
		time.Sleep(55 * time.Minute)
		wantToken(t, s, 2)
		wait(3 * time.Second)
		wait(0)
	})
}
