package flight

import (
	"math/rand/v2"
	"time"
)

// Backoff is how long to wait after a failure: a random time up to a limit that starts with
// First and doubles up to Max, and at least a second. The zero Backoff waits a second.
type Backoff struct {
	First, Max time.Duration
	Rand       func() float64 // in [0, 1); nil: math/rand/v2
}

// Wait is the time to wait after the nth failure in a row.
func (b Backoff) Wait(n int) time.Duration {
	return max(time.Second, Jitter(b.Rand, Grown(b.First, b.Max, n)))
}

// Grown doubles first n-1 times, up to limit.
func Grown(first, limit time.Duration, n int) time.Duration {
	d := first
	for ; n > 1 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// Jitter is a random time in [0, d); nil takes math/rand/v2.
func Jitter(random func() float64, d time.Duration) time.Duration {
	if random == nil {
		random = rand.Float64 // jitter is no secret
	}
	return time.Duration(random() * float64(d))
}
