package credentials

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const fetchTime = 5 * time.Second

// cache holds one value that is fetched when it is asked for.
type cache[T any] struct {
	group singleflight.Group

	mu    sync.Mutex
	value T
	have  bool
	asked time.Time // when somebody last asked for a newer one
}

// get returns the value, which is fetched at the first use. It does not age: whoever finds
// that it is not the newest asks for another.
func (c *cache[T]) get(ctx context.Context, fetch func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	value, have := c.value, c.have
	c.mu.Unlock()
	if have {
		return value, nil
	}
	return c.renew(ctx, fetch)
}

// newer fetches the value again, unless somebody asked for that within the last gap.
func (c *cache[T]) newer(ctx context.Context, gap time.Duration, now func() time.Time, fetch func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	value, soon := c.value, clock(now).Sub(c.asked) < gap
	if !soon {
		c.asked = clock(now)
	}
	c.mu.Unlock()
	if soon {
		return value, nil
	}
	return c.renew(ctx, fetch)
}

// renew fetches the value, once for all who wait at the same time; nobody's
// cancellation ends it for the others.
func (c *cache[T]) renew(ctx context.Context, fetch func(context.Context) (T, error)) (T, error) {
	flight := c.group.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		value, err := fetch(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.value, c.have = value, true
		}
		return value, err
	})
	var none T
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case end := <-flight:
		if end.Err != nil {
			return none, end.Err
		}
		return end.Val.(T), nil
	}
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
