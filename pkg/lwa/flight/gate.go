package flight

import (
	"context"
	"sync"
	"time"
)

// Verdict is what a call says of what a gate stands before.
type Verdict int

// The verdicts.
const (
	Silent Verdict = iota // there was no call, or it says nothing
	Works                 // it opens the gate, and failures are counted anew
	Fails                 // it counts towards shutting the gate, or shuts it for longer
)

// Gate notices trouble once for everybody in the process: after some failures in a row it
// is shut. When its time is over one caller tries for all, while the others wait for how
// that goes. It must not be copied once it is used.
type Gate struct {
	// Limit is the number of failures in a row that shut it; 0: 1.
	Limit int
	// Backoff is how long it stays shut.
	Backoff Backoff
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Turned is told when it is shut, with the end of that, and when it opens again, with
	// the zero time; nil: nobody. It must not use the gate.
	Turned func(ctx context.Context, until time.Time)

	mu       sync.Mutex
	failures int           // in a row, while open
	shut     int           // times in a row; 0 is open
	pause    time.Duration // while shut: for how long
	until    time.Time     // while shut
	probe    chan struct{} // closed once the one who tries has tried
}

// Ticket lets one caller through a gate. Its holder must call Leave.
type Ticket struct {
	g     *Gate
	probe chan struct{} // nil for one who isn't trying for all
	used  bool
}

// Enter returns a ticket, or how long the gate stays shut, at least a second. While
// somebody tries for all it waits, until ctx ends: then err is the cause. The ticket is nil
// when wait is more than 0 and when err is not nil.
func (g *Gate) Enter(ctx context.Context) (t *Ticket, wait time.Duration, err error) {
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

// Shut is how long nobody may enter, 0 while somebody may.
func (g *Gate) Shut() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closedFor()
}

func (g *Gate) closedFor() time.Duration {
	if g.shut == 0 {
		return 0
	}
	wait := g.until.Sub(g.now())
	if wait <= 0 || wait > g.pause { // over, or the clock was set back and nobody can tell
		return 0
	}
	return max(wait, time.Second)
}

// look returns a ticket, or a time to stay away, or what to wait for.
func (g *Gate) look() (*Ticket, time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == 0 {
		return &Ticket{g: g}, 0, nil
	}
	if wait := g.closedFor(); wait > 0 {
		return nil, wait, nil
	}
	if g.probe != nil {
		return nil, 0, g.probe
	}
	g.probe = make(chan struct{})
	return &Ticket{g: g, probe: g.probe}, 0, nil
}

// Leave tells how the call went: the gate is shut for retryAfter at least. It counts the
// first time only. After Silent from the one who tries for all the next to enter tries.
func (t *Ticket) Leave(ctx context.Context, v Verdict, retryAfter time.Duration) {
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
	case Works:
		if g.shut > 0 {
			g.turned(ctx, time.Time{})
		}
		g.failures, g.shut, g.until = 0, 0, time.Time{}
	case Fails:
		g.failed(ctx, t.probe != nil, retryAfter)
	case Silent:
	}
}

// failed counts a failure. While shut only the probe's counts: the others began before.
func (g *Gate) failed(ctx context.Context, probe bool, retryAfter time.Duration) {
	g.failures++
	if g.failures < g.Limit || g.shut > 0 && !probe {
		return
	}
	g.shut++
	g.pause = max(g.Backoff.Wait(g.shut), retryAfter)
	g.until = g.now().Add(g.pause)
	if g.shut == 1 {
		g.turned(ctx, g.until)
	}
}

func (g *Gate) turned(ctx context.Context, until time.Time) {
	if g.Turned != nil {
		g.Turned(ctx, until)
	}
}

func (g *Gate) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}
