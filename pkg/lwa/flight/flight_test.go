package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string]
		calls := 0
		call := func(ctx context.Context) (string, error) {
			calls++
			if ctx.Value(key{}) != "first" {
				t.Error("the call has not the values of the first caller's context")
			}
			time.Sleep(time.Second)
			return "answer", ctx.Err()
		}
		first, giveUp := context.WithCancelCause(context.WithValue(t.Context(), key{}, "first"))
		why := errors.New("had enough")
		var wg sync.WaitGroup
		wg.Go(func() {
			if v, landed, err := g.Do(first, "k", time.Minute, call); v != "" || landed || !errors.Is(err, why) {
				t.Errorf("who gave up got %q, %t, %v", v, landed, err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if v, landed, err := g.Do(t.Context(), "k", time.Minute, call); v != "answer" || !landed || err != nil {
					t.Errorf("got %q, %t, %v", v, landed, err)
				}
			})
		}
		giveUp(why)
		wg.Wait()
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
	})
}

type key struct{}

func TestGroupKeepsKeysApartAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[error]
		var wg sync.WaitGroup
		for _, k := range []string{"a", "b"} {
			wg.Go(func() {
				start := time.Now()
				v, landed, err := g.Do(t.Context(), k, 5*time.Second, func(ctx context.Context) (error, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				})
				if v != nil || !landed || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
					t.Errorf("%v, %t, %v after %v", v, landed, err, time.Since(start))
				}
			})
		}
		wg.Wait()
	})
}

// What a call has begun on the side ends with it.
func TestGroupEndsTheContextOfACall(t *testing.T) {
	var g flight.Group[context.Context]
	ctx, landed, err := g.Do(t.Context(), "k", time.Hour, func(ctx context.Context) (context.Context, error) { return ctx, ctx.Err() })
	if !landed || err != nil || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("landed: %t, %v; its context goes on: %v", landed, err, ctx.Err())
	}
}

func TestGroupWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string]
		over, cancel := context.WithCancelCause(t.Context())
		why := errors.New("had enough")
		cancel(why)
		for range 20 { // of two channels that are ready either may come
			if err := g.Wait(over); err != nil {
				t.Fatalf("Wait() = %v though there is nothing to wait for", err)
			}
		}
		start := time.Now()
		_, landed, _ := g.Do(over, "k", time.Minute, func(context.Context) (string, error) {
			time.Sleep(3 * time.Second)
			return "", nil
		})
		g.Go(func() { time.Sleep(5 * time.Second) })
		if err := g.Wait(over); landed || !errors.Is(err, why) {
			t.Errorf("Wait() = %v, landed: %t; want %v, false", err, landed, why)
		}
		if err := g.Wait(t.Context()); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("Wait() = %v after %v, want nil after 5 s", err, time.Since(start))
		}
		start = time.Now()
		g.Go(func() { time.Sleep(time.Second) })
		if err := g.Wait(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("Wait() = %v after %v, want nil after 1 s", err, time.Since(start))
		}
	})
}

func TestBackoff(t *testing.T) {
	half := func() float64 { return 0.5 }
	b := flight.Backoff{First: 4 * time.Second, Max: time.Minute, Rand: half}
	for n, want := range map[int]time.Duration{0: 2, 1: 2, 2: 4, 3: 8, 4: 16, 5: 30, 6: 30, 1000000: 30} {
		if got := b.Wait(n); got != want*time.Second {
			t.Errorf("after %d failures: %v, want %v", n, got, want*time.Second)
		}
	}
	if got := (flight.Backoff{}).Wait(1); got != time.Second {
		t.Errorf("zero Backoff: %v, want at least a second", got)
	}
	b.Rand = nil
	for range 100 {
		if got := b.Wait(5); got < time.Second || got > time.Minute {
			t.Errorf("at random: %v", got)
		}
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turned []bool
		g := &flight.Gate{
			Limit: 2, Backoff: flight.Backoff{First: 10 * time.Second, Max: time.Minute, Rand: func() float64 { return 0.5 }},
			Turned: func(_ context.Context, until time.Time) { turned = append(turned, !until.IsZero()) },
		}
		enter := func() *flight.Ticket {
			t.Helper()
			ticket, wait, err := g.Enter(t.Context())
			if ticket == nil {
				t.Fatalf("shut for %v, %v", wait, err)
			}
			return ticket
		}
		leave := func(ticket *flight.Ticket, v flight.Verdict, after time.Duration) {
			ticket.Leave(t.Context(), v, after)
		}

		one, two, late := enter(), enter(), enter()
		leave(one, flight.Fails, 0)
		leave(one, flight.Fails, 0) // counts once
		if g.Shut() != 0 {
			t.Error("shut after one failure of two")
		}
		leave(two, flight.Fails, 0)
		leave(late, flight.Fails, time.Hour) // began before it was shut
		if wait := g.Shut(); wait != 5*time.Second {
			t.Errorf("shut for %v, want 5 s", wait)
		}
		if ticket, wait, err := g.Enter(t.Context()); ticket != nil || wait != 5*time.Second || err != nil {
			t.Errorf("Enter() = %v, %v, %v", ticket, wait, err)
		}
		time.Sleep(4500 * time.Millisecond)
		if wait := g.Shut(); wait != time.Second {
			t.Errorf("half a second before it opens: %v, want a whole second", wait)
		}

		time.Sleep(500 * time.Millisecond)
		probe := enter() // one tries for all
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if ticket, wait, _ := g.Enter(t.Context()); ticket != nil || wait != 30*time.Second {
					t.Errorf("after the probe: %v, %v, want shut for its 30 s", ticket, wait)
				}
			})
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, _, err := g.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want the deadline", err)
			}
		})
		time.Sleep(time.Second)
		leave(probe, flight.Fails, 30*time.Second)
		wg.Wait()

		time.Sleep(30 * time.Second)
		leave(enter(), flight.Silent, 0) // didn't try after all
		leave(enter(), flight.Works, 0)
		if g.Shut() != 0 {
			t.Error("still shut after a success")
		}
		leave(enter(), flight.Fails, 0)
		if g.Shut() != 0 {
			t.Error("failures before a success count")
		}
		if len(turned) != 2 || !turned[0] || turned[1] {
			t.Errorf("turned = %v, want shut once and opened once", turned)
		}
	})
}

// Callers who give up while a call hangs cost nothing, however many they are.
func TestWhoGivesUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string]
		hang := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		before := runtime.NumGoroutine()
		for range 1000 {
			if _, landed, err := g.Do(over, "k", time.Hour, hang); landed || !errors.Is(err, context.Canceled) {
				t.Fatalf("landed: %t, %v", landed, err)
			}
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before; more > 1 {
			t.Errorf("%d goroutines for one call, want 1", more)
		}
		if err := g.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A call whose goroutine ends, as t.Fatal ends it, keeps nobody waiting.
func TestCallThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string]
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, landed, err := g.Do(ctx, "k", time.Second, func(context.Context) (string, error) {
					time.Sleep(time.Millisecond)
					runtime.Goexit()
					return "", nil
				})
				if !landed || err == nil {
					t.Errorf("landed: %t, %v, want an error", landed, err)
				}
			})
		}
		wg.Wait()
		if err := g.Wait(ctx); err != nil {
			t.Errorf("Wait() = %v", err)
		}
		v, landed, err := g.Do(ctx, "k", time.Second, func(context.Context) (string, error) { return "next", nil })
		if v != "next" || !landed || err != nil {
			t.Errorf("the next call: %q, %t, %v", v, landed, err)
		}
	})
}

// A gate that was shut by a clock in the future does not stay shut until then.
func TestGateWhoseClockIsSetBack(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	g := &flight.Gate{
		Now:     func() time.Time { return now },
		Backoff: flight.Backoff{First: time.Minute, Max: time.Minute, Rand: func() float64 { return 0.5 }},
	}
	ticket, _, err := g.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ticket.Leave(t.Context(), flight.Fails, 0)
	if wait := g.Shut(); wait != 30*time.Second {
		t.Errorf("shut for %v, want 30 s", wait)
	}
	now = now.AddDate(-1, 0, 0)
	if wait := g.Shut(); wait != 0 {
		t.Errorf("a year earlier it is shut for %v, want that somebody may try", wait)
	}
}
