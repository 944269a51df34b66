package tokens

import (
	"slices"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/flight"
)

const (
	defaultCall   = 10 * time.Second
	defaultLease  = 20 * time.Second
	defaultMargin = time.Minute
	defaultShards = 16

	// The sweep refreshes this long before the expiry, and up to spread earlier, so that a
	// fleet paired in one hour isn't refreshed in one minute.
	aheadOf = 10 * time.Minute
	spread  = 5 * time.Minute

	// lookAgain is when the sweep looks again at a device that waits for its next attempt:
	// at its next run, which comes each minute.
	lookAgain = 30 * time.Second

	// clockSkew is how much longer than our own a lease may run before it is taken for
	// one written under a wrong clock, and ignored.
	clockSkew = 5 * time.Second
)

// now is the time as records keep it: to the millisecond, in UTC.
func (k *Keeper) now() time.Time {
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	return stamp(now())
}

func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func (k *Keeper) callTimeout() time.Duration { return orDefault(k.CallTimeout, defaultCall) }
func (k *Keeper) margin() time.Duration      { return orDefault(k.Margin, defaultMargin) }

func (k *Keeper) lease() time.Duration {
	return max(orDefault(k.Lease, defaultLease), k.callTimeout()+time.Second)
}

// flightLimit leaves time to wait for another's lease, and then for our own.
func (k *Keeper) flightLimit() time.Duration { return 2*k.lease() + k.callTimeout() }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func (k *Keeper) endpoint(r *store.Registration) lwa.Endpoint {
	region := lwa.Region(r.Region)
	if k.Endpoint != nil {
		return k.Endpoint(region)
	}
	return region.Endpoint()
}

// left is how long r's access token still lives; 0 where there is none.
func (k *Keeper) left(r *store.Registration) time.Duration {
	if r.AccessToken == "" {
		return 0
	}
	return max(0, r.Expiry.Sub(k.now()))
}

// leasedFor is how long somebody other than owner may still be refreshing r.
func (k *Keeper) leasedFor(r *store.Registration, owner string) time.Duration {
	left := r.LeaseUntil.Sub(k.now())
	if r.LeaseOwner == "" || r.LeaseOwner == owner || left > k.lease()+clockSkew {
		return 0
	}
	return max(0, left)
}

// schedule sets when the sweep looks at r again: before the expiry, or at it where
// all there is to do is to record the end of a grant without refresh token. A token
// of a short life is refreshed at half of it.
func (k *Keeper) schedule(r *store.Registration) {
	ahead := aheadOf + flight.Jitter(k.Rand, spread)
	if !r.Renewable() {
		ahead = 0
	}
	k.scheduleAt(r, r.Expiry.Add(-min(ahead, max(0, r.Expiry.Sub(k.now()))/2)))
}

// scheduleRetry has the sweep try again what has failed for cause. Where it is LWA that is away, the
// sweep looks at r before that, too, to tell how long it has waited. What else fails has an
// alarm of its own, and may be so many that the sweep would not get past them.
func (k *Keeper) scheduleRetry(r *store.Registration, next time.Time, cause error) {
	now := k.now()
	since := now
	switch {
	case !r.DueSince.IsZero():
		since = r.DueSince
	case !r.DueAt.IsZero() && r.DueAt.Before(now):
		since = r.DueAt
	}
	if look := now.Add(lookAgain); is[*UnavailableError](cause) && look.Before(next) {
		next = look
	}
	k.scheduleAt(r, next)
	if !r.DueAt.IsZero() {
		r.DueSince = since
	}
}

// scheduleAt sets that time, unless the policy has the sweep refresh nothing.
func (k *Keeper) scheduleAt(r *store.Registration, at time.Time) {
	r.DueShard, r.DueAt, r.DueSince = "", time.Time{}, time.Time{}
	if k.Policy == OnUse && r.Renewable() {
		return
	}
	shards := k.Shards
	if shards <= 0 {
		shards = defaultShards
	}
	r.DueShard, r.DueAt = store.Shard(r.Thing, shards), stamp(at)
}

// clone copies r so that it shares nothing with the original.
func clone(r *store.Registration) *store.Registration {
	c := *r
	c.Slots = slices.Clone(r.Slots)
	return &c
}
