package credentials

import (
	"context"
	"sync"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

const fetchTime = 5 * time.Second

// cache holds one value that is fetched when it is asked for.
type cache[T any] struct {
	fetches flight.Group[T]

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
	value, _, err := c.fetches.Do(ctx, "", fetchTime, func(ctx context.Context) (T, error) {
		value, err := fetch(ctx)
		if err != nil {
			return value, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.value, c.have = value, true
		return value, nil
	})
	return value, err
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
