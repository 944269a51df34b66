// Package backoff says when a message that has failed is tried again, and when it is given
// up: on AWS, where the replenish function hides it in its queue for so long, as in the
// queue of `restock up`.
package backoff

import (
	"context"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

const (
	// First is the shortest gap: most trouble is over in seconds, and somebody waits.
	First = time.Second
	// Longest is the longest gap.
	Longest = 10 * time.Minute
	// Tries is how often a message is tried. With the gaps between them that makes four to
	// nine hours, mostly some six and a half.
	Tries = 60
)

// Gap returns how long to wait after the n-th try has failed: doubling from [First] to
// [Longest], and of that half to all, so that messages which failed together do not come
// back together. n below 1 counts as 1.
func Gap(n int) time.Duration {
	half := flight.Grown(First, Longest, n) / 2
	return half + flight.Jitter(nil, half)
}

// Sleep waits for d, or until ctx is done: then it returns why.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
