// Package flight keeps many callers from becoming many calls. A [Group] lets all who want
// the same thing share one call, of which nobody's cancellation robs the others; a [Gate]
// remembers trouble, so that for some time nobody calls and then one tries for all;
// a [Backoff] says for how long.
//
// [github.com/restock-dev/restock/pkg/lwa.TokenSource] stands on it, and so does whatever
// shares tokens between processes.
package flight

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Group shares calls by key. The zero Group is ready; it must not be copied.
type Group[T any] struct {
	busy count

	mu    sync.Mutex
	calls map[string]*call[T] // under way
}

// call is one that some wait for. Its result is there once landed is closed.
type call[T any] struct {
	landed chan struct{}
	v      T
	err    error
}

var errExited = errors.New("flight: the call ended its goroutine instead of returning")

// Do makes the call, or waits for the one with the same key that is under way, and returns
// its result: landed is true then, and err is the call's own error. Of those who share a
// call the first one's call and limit are used. The call's context has the values of the
// first caller's ctx, but not its end: it ends after limit, or once the call returns; with
// a limit of 0 or less it has ended when the call begins.
//
// When ctx ends first, landed is false and err its cause; the call goes on for the
// others, and whoever gave up leaves nothing behind that waits for it. A panic in call ends
// the program: it runs in a goroutine of its own.
func (g *Group[T]) Do(ctx context.Context, key string, limit time.Duration, call func(context.Context) (T, error)) (v T, landed bool, err error) {
	c := g.join(ctx, key, limit, call)
	select {
	case <-ctx.Done():
		return v, false, context.Cause(ctx)
	case <-c.landed:
		return c.v, true, c.err
	}
}

// join returns the call with this key that is under way, or begins it.
func (g *Group[T]) join(ctx context.Context, key string, limit time.Duration, f func(context.Context) (T, error)) *call[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, ok := g.calls[key]; ok {
		return c
	}
	c := &call[T]{landed: make(chan struct{}), err: errExited}
	if g.calls == nil {
		g.calls = map[string]*call[T]{}
	}
	g.calls[key] = c
	g.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer g.land(key, c)
		defer cancel()
		c.v, c.err = f(ctx)
	})
	return c
}

// land gives the result of c to those who wait, and makes room for the next call.
func (g *Group[T]) land(key string, c *call[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.calls, key)
	close(c.landed)
}

// Go runs f, which is to use the group, in a goroutine that [Group.Wait] waits for.
func (g *Group[T]) Go(f func()) {
	done := g.busy.begin()
	go func() {
		defer done()
		f()
	}()
}

// Wait waits until no call is under way, also none that its callers have given up, and
// until no f of [Group.Go] runs. When ctx ends first it returns its cause.
func (g *Group[T]) Wait(ctx context.Context) error {
	idle := g.busy.none()
	select {
	case <-idle:
		return nil // whatever ctx says
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
