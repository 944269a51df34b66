package tokens

import (
	"errors"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// How long a device, or everybody, waits after a failure: a random time up to a limit that
// starts with the first value and doubles up to the second.
const (
	firstBackoff = 4 * time.Second
	maxBackoff   = 5 * time.Minute

	firstShut = 5 * time.Second
	maxShut   = time.Minute

	// An answer that fits nothing known will hardly be another one soon.
	firstUnexpected = 5 * time.Minute
	maxUnexpected   = time.Hour

	// maxRetryAfter bounds what LWA may ask for.
	maxRetryAfter = 15 * time.Minute
)

// backoff is the time to wait after the nth failure in a row, with full jitter, and at
// least a second.
func (k *Keeper) backoff(first, limit time.Duration, n int) time.Duration {
	return max(time.Second, time.Duration(k.rand()*float64(grown(first, limit, n))))
}

// grown doubles first n-1 times, up to limit.
func grown(first, limit time.Duration, n int) time.Duration {
	d := first
	for ; n > 1 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// wait is how long a device's next attempt is away after cause, its nth failure in a row.
func (k *Keeper) wait(cause error, n int) time.Duration {
	if is[*UnexpectedError](cause) {
		half := grown(firstUnexpected, maxUnexpected, n) / 2
		return half + time.Duration(k.rand()*float64(half))
	}
	return max(k.backoff(firstBackoff, maxBackoff, n), k.retryAfter(cause))
}

// retryAfter is what LWA asked for, bounded, and a little more: not everybody at once.
func (k *Keeper) retryAfter(cause error) time.Duration {
	var e *lwa.Error
	if !errors.As(cause, &e) || e.RetryAfter <= 0 {
		return 0
	}
	d := min(e.RetryAfter, maxRetryAfter)
	return d + time.Duration(k.rand()*float64(d)/10)
}

// jitter is about gap: half of it to one and a half.
func (k *Keeper) jitter(gap time.Duration) time.Duration {
	return gap/2 + time.Duration(k.rand()*float64(gap))
}

// longer is the gap after gap, for those who wait for the store.
func longer(gap time.Duration) time.Duration { return min(gap*3/2, maxGap) }
