package tokens

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outageAfter is how many calls in a row LWA must fail to answer before nobody asks.
const outageAfter = 3

// verdict is what a call says of what a gate stands before.
type verdict int

const (
	silent verdict = iota // there was no call, or it says nothing
	works
	fails
)

// gate notices trouble once for everybody in the process: after some failures in a row it
// is shut. When its time is over one caller tries for all, while the others wait for
// how that goes.
type gate struct {
	what  string // is asked, for the log
	limit int    // failures in a row that shut it
	k     *Keeper

	mu       sync.Mutex
	failures int           // in a row, while open
	shut     int           // times in a row; 0 is open
	until    time.Time     // while shut
	probe    chan struct{} // closed once the one who tries has tried
}

// ticket lets one caller through a gate.
type ticket struct {
	g     *gate
	probe chan struct{} // nil for one who isn't trying for all
	used  bool
}

// enter returns a ticket, or how long the gate stays shut.
func (g *gate) enter(ctx context.Context) (*ticket, time.Duration, error) {
	for {
		t, wait, probe := g.look()
		if probe == nil {
			return t, wait, nil
		}
		select {
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		case <-probe:
		}
	}
}

// look returns a ticket, or a time to stay away, or what to wait for.
func (g *gate) look() (*ticket, time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == 0 {
		return &ticket{g: g}, 0, nil
	}
	if wait := g.until.Sub(g.k.now()); wait > 0 {
		return nil, max(wait, time.Second), nil
	}
	if g.probe != nil {
		return nil, 0, g.probe
	}
	g.probe = make(chan struct{})
	return &ticket{g: g, probe: g.probe}, 0, nil
}

// leave tells how the call went. It counts the first time only.
func (t *ticket) leave(ctx context.Context, v verdict, retryAfter time.Duration) {
	g := t.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.used {
		return
	}
	t.used = true
	if t.probe != nil {
		close(t.probe)
		g.probe = nil
	}
	switch v {
	case works:
		if g.shut > 0 {
			slog.InfoContext(ctx, "calls go on", "to", g.what)
		}
		g.failures, g.shut, g.until = 0, 0, time.Time{}
	case fails:
		g.failed(ctx, t.probe != nil, retryAfter)
	case silent:
	}
}

// failed counts a failure. While shut only the probe's counts: the others began before.
func (g *gate) failed(ctx context.Context, probe bool, retryAfter time.Duration) {
	g.failures++
	if g.failures < g.limit || g.shut > 0 && !probe {
		return
	}
	g.shut++
	g.until = g.k.now().Add(max(g.k.backoff(firstShut, maxShut, g.shut), retryAfter))
	if g.shut == 1 {
		slog.ErrorContext(ctx, "calls are held back after failures; from now on one tries for all", "to", g.what, "until", g.until)
	}
}
