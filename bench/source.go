package main

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/restock-dev/restock/pkg/lwa"
)

// oneToken measures what callers of one token get from an lwa.TokenSource, beside x/oauth2:
// when it has expired, when its grant was revoked, and when it is simply there.
func oneToken(ctx context.Context, _ *built, rounds int) ([]row, error) {
	const unshared, shared = "x/oauth2, a source for each caller", "one shared x/oauth2 ReuseTokenSource"
	expired := row{what: "100 callers at expiry: LWA calls", unit: "calls", peerName: unshared}
	over := row{what: "100 callers at expiry: p99 of the wait beyond LWA's 50 ms", unit: "ms", peerName: shared}
	revoked := row{what: "100 callers of a revoked grant: LWA calls", unit: "calls", peerName: unshared}
	serial := row{what: "a token that is there, one caller: time", unit: "ns", peerName: shared}
	parallel := row{what: "a token that is there, a caller on every CPU: time", unit: "ns", peerName: shared}
	allocs := row{what: "a token that is there: allocations", unit: "1", peerName: shared}
	for range rounds {
		server := newSlowLWA()
		if _, err := sourceOn(server, -time.Minute).Token(ctx); err != nil { // so that nobody measured has to connect
			return nil, err
		}
		err := expiryRound(ctx, server, &expired, &over)
		if err == nil {
			err = revokedRound(ctx, server, &revoked)
		}
		server.Close()
		if err != nil {
			return nil, err
		}
		fastRound(ctx, &serial, &parallel, &allocs)
	}
	return []row{expired, over, revoked, serial, parallel, allocs}, nil
}

func expiryRound(ctx context.Context, server *slowLWA, asked, over *row) error {
	ours, theirs := sourceOn(server, -time.Minute), configOn(server)
	old := oldToken(-time.Minute)
	single := oauth2.ReuseTokenSource(old, theirs.TokenSource(ctx, old))
	for _, measure := range []struct {
		calls, wait *sample
		call        func() error
	}{
		{&asked.ours, &over.ours, func() error { _, err := ours.Token(ctx); return err }},
		{nil, &over.peer, func() error { _, err := single.Token(); return err }},
		{&asked.peer, nil, func() error { _, err := theirs.TokenSource(ctx, old).Token(); return err }},
	} {
		server.calls.Store(0)
		waits, err := together(measure.call)
		if err != nil {
			return err
		}
		if measure.calls != nil {
			*measure.calls = append(*measure.calls, float64(server.calls.Load()))
		}
		if measure.wait != nil {
			*measure.wait = append(*measure.wait, waits.quantile(0.99)-float64(lwaLatency)/float64(time.Millisecond))
		}
	}
	return nil
}

func revokedRound(ctx context.Context, server *slowLWA, asked *row) error {
	server.revoked.Store(true)
	defer server.revoked.Store(false)
	ours, theirs := sourceOn(server, -time.Minute), configOn(server)
	for s, call := range map[*sample]func() error{
		&asked.ours: func() error { _, err := ours.Token(ctx); return err },
		&asked.peer: func() error { _, err := theirs.TokenSource(ctx, oldToken(-time.Minute)).Token(); return err },
	} {
		server.calls.Store(0)
		_, err := together(func() error {
			if err := call(); err == nil {
				return errors.New("a revoked grant gave a token")
			}
			return nil
		})
		if err != nil {
			return err
		}
		*s = append(*s, float64(server.calls.Load()))
	}
	return nil
}

// together lets 100 callers go at once and returns how long each took, in milliseconds.
func together(call func() error) (sample, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		s     sample
		first error
		start = make(chan struct{})
	)
	for range callers {
		wg.Go(func() {
			<-start
			from := time.Now()
			err := call()
			took := time.Since(from)
			mu.Lock()
			defer mu.Unlock()
			s.add(took)
			if first == nil {
				first = err
			}
		})
	}
	close(start)
	wg.Wait()
	return s, first
}

func fastRound(ctx context.Context, serial, parallel, allocs *row) {
	ours := new(lwa.Client).RefreshSource(lwaToken(time.Hour))
	theirs := oauth2.ReuseTokenSource(oldToken(time.Hour), nil)
	both := [2]func() error{
		func() error { _, err := ours.Token(ctx); return err },
		func() error { _, err := theirs.Token(); return err },
	}
	for n, r := range map[int]*row{1: serial, runtime.GOMAXPROCS(0): parallel} {
		least := leastPerCall(n, both)
		r.ours, r.peer = append(r.ours, least[0]), append(r.peer, least[1])
	}
	allocs.ours = append(allocs.ours, testing.AllocsPerRun(1000, func() { _ = both[0]() }))
	allocs.peer = append(allocs.peer, testing.AllocsPerRun(1000, func() { _ = both[1]() }))
}

// leastPerCall measures both in turn, in short batches, and keeps each one's best: what
// else runs on the machine only ever adds.
func leastPerCall(n int, both [2]func() error) [2]float64 {
	least := [2]float64{math.Inf(1), math.Inf(1)}
	for range 20 {
		for i, call := range both {
			least[i] = min(least[i], perCall(n, call))
		}
	}
	return least
}

// perCall is what a call takes, in nanoseconds, while n callers make one after the other.
func perCall(n int, call func() error) float64 {
	const calls = 20_000
	var wg sync.WaitGroup
	start := time.Now()
	for range n {
		wg.Go(func() {
			for range calls {
				_ = call() // a token that is there is no error; it would show in the rounds above
			}
		})
	}
	wg.Wait()
	return float64(time.Since(start).Nanoseconds()) / calls
}

func sourceOn(server *slowLWA, life time.Duration) *lwa.TokenSource {
	c := &lwa.Client{ClientID: "bench", ClientSecret: lwa.NewSecret("bench"), Endpoint: lwa.Endpoint{APIURL: server.URL}}
	return c.RefreshSource(lwaToken(life))
}

func lwaToken(life time.Duration) *lwa.Token {
	return &lwa.Token{AccessToken: lwa.NewSecret("Atza|old"), RefreshToken: lwa.NewSecret("Atzr|old"), Expiry: time.Now().Add(life)}
}

func configOn(server *slowLWA) *oauth2.Config {
	return &oauth2.Config{ClientID: "bench", ClientSecret: "bench", Endpoint: oauth2.Endpoint{TokenURL: server.URL + "/auth/o2/token", AuthStyle: oauth2.AuthStyleInParams}}
}

func oldToken(life time.Duration) *oauth2.Token {
	return &oauth2.Token{AccessToken: "Atza|old", RefreshToken: "Atzr|old", Expiry: time.Now().Add(life)}
}
