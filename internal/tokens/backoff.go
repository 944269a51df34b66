package tokens

import (
	"errors"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/flight"
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

// wait is how long a device's next attempt is away after cause, its nth failure in a row.
func (k *Keeper) wait(cause error, n int) time.Duration {
	if is[*UnexpectedError](cause) {
		half := flight.Grown(firstUnexpected, maxUnexpected, n) / 2
		return half + flight.Jitter(k.Rand, half)
	}
	return max(k.backoff().Wait(n), k.retryAfter(cause))
}

// backoff is what a device waits after a failure.
func (k *Keeper) backoff() flight.Backoff {
	return flight.Backoff{First: firstBackoff, Max: maxBackoff, Rand: k.Rand}
}

// retryAfter is what LWA asked for, bounded, and a little more: not everybody at once.
func (k *Keeper) retryAfter(cause error) time.Duration {
	var e *lwa.Error
	if !errors.As(cause, &e) || e.RetryAfter <= 0 {
		return 0
	}
	d := min(e.RetryAfter, maxRetryAfter)
	return d + flight.Jitter(k.Rand, d/10)
}

// jitter is about gap: half of it to one and a half.
func (k *Keeper) jitter(gap time.Duration) time.Duration {
	return gap/2 + flight.Jitter(k.Rand, gap)
}

// longer is the gap after gap, for those who wait for the store.
func longer(gap time.Duration) time.Duration { return min(gap*3/2, maxGap) }
