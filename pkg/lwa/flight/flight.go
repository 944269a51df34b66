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
	"time"

	"golang.org/x/sync/singleflight"
)

// Group shares calls by key. The zero Group is ready; it must not be copied.
type Group[T any] struct{ calls singleflight.Group }

// Do makes the call, or waits for the one with the same key that is under way, and returns
// its result. The call's context has the values of the first caller's, but not its
// end: it ends after limit.
//
// When ctx ends first, landed is false and err its cause; the call goes on for the
// others.
func (g *Group[T]) Do(ctx context.Context, key string, limit time.Duration, call func(context.Context) (T, error)) (v T, landed bool, err error) {
	arrival := g.calls.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		return call(ctx)
	})
	select {
	case <-ctx.Done():
		return v, false, context.Cause(ctx)
	case end := <-arrival:
		v, _ = end.Val.(T) // the call returned a T, or the nil of an interface T
		return v, true, end.Err
	}
}
