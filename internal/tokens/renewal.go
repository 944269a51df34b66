package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// A waiter reads the record again after a gap that grows from firstGap to maxGap.
const (
	firstGap = 25 * time.Millisecond
	maxGap   = time.Second
)

// errAgain says that the record has changed: what to do must be decided anew.
var errAgain = errors.New("the record has changed")

// landed is how a flight ended. record is the newest that was seen.
type landed struct {
	record *store.Registration
	token  lwa.Secret
}

// replace gets another access token than the one in r. All callers in this process
// who want the same one replaced share one flight, which goes on when one of them, even the
// first, gives up.
func (k *Keeper) replace(ctx context.Context, r *store.Registration) (lwa.Secret, error) {
	seen := clone(r)
	until, _ := ctx.Deadline()
	end, arrived, err := k.flights.Do(ctx, r.Thing+"\x00"+r.AccessToken, k.flightLimit(), func(ctx context.Context) (landed, error) {
		f := &renewal{k: k, r: seen, old: seen.AccessToken, owner: rand.Text(), until: until}
		token, err := f.run(ctx)
		return landed{f.r, token}, err
	})
	if !arrived {
		return lwa.Secret{}, k.unavailable(0, err)
	}
	*r = *clone(end.record)
	return end.token, err
}

// renewal replaces one access token of one record.
type renewal struct {
	k     *Keeper
	r     *store.Registration // as last read or written
	old   string              // the sealed token to replace
	owner string              // of our lease
	// until is when whoever began the flight has to answer; zero is never. On Lambda the
	// process freezes then, and an answer of LWA that comes later may be lost, with the
	// refresh token in it.
	until time.Time
}

// A call to LWA is begun only with minCall left before until, of which storeTime is kept
// for storing its answer.
const (
	minCall   = 4 * time.Second
	storeTime = time.Second
)

// timeLeft is how long a call to LWA may take, or an error where one must not begin.
func (f *renewal) timeLeft() (time.Duration, error) {
	left := f.k.lease()
	if !f.until.IsZero() {
		left = min(left, time.Until(f.until))
	}
	if left < min(minCall, f.k.lease()) {
		return 0, f.k.unavailable(0, errNoTime)
	}
	return left - min(storeTime, left/10), nil
}

// run looks at the record until it holds a new token, or until it is clear why not.
func (f *renewal) run(ctx context.Context) (lwa.Secret, error) {
	for gap := firstGap; ; gap = longer(gap) {
		if err := usable(f.r); err != nil {
			return lwa.Secret{}, err
		}
		if f.r.AccessToken != f.old && f.k.left(f.r) > 0 {
			return f.k.openAccess(ctx, f.r)
		}
		err := f.step(ctx, gap)
		switch {
		case errors.Is(err, errAgain):
		case err != nil:
			return lwa.Secret{}, err
		}
	}
}

// step brings the record one step further: it ends a grant that can't be refreshed, waits
// for another's refresh, or refreshes.
func (f *renewal) step(ctx context.Context, gap time.Duration) error {
	if !f.r.Renewable() {
		return f.end(ctx, store.ReasonNoRefreshToken, sameTokens(f.r))
	}
	if held := f.k.leasedFor(f.r, f.owner); held > 0 {
		if backoff.Sleep(ctx, min(held, f.k.jitter(gap))) != nil {
			return f.k.unavailable(held, errHeld)
		}
		return f.read(ctx)
	}
	if wait := f.r.NextAttempt.Sub(f.k.now()); wait > 0 {
		return f.k.unavailable(wait, errNotYet)
	}
	return f.refresh(ctx)
}

// read gets the newest record.
func (f *renewal) read(ctx context.Context) error {
	newest := &store.Registration{Thing: f.r.Thing}
	if err := f.k.Store.Get(ctx, newest); err != nil {
		return f.k.storeError("reading", f.r.Thing, err)
	}
	f.r = newest
	return nil
}

// claim writes our lease, on condition that nobody has written anything since r was read.
func (f *renewal) claim(ctx context.Context) error {
	next := clone(f.r)
	next.LeaseOwner, next.LeaseUntil = f.owner, f.k.now().Add(f.k.lease())
	err := f.k.Store.Put(ctx, next)
	switch {
	case err == nil:
		f.r = next
		return nil
	case errors.Is(err, store.ErrConflict):
		if err := f.read(ctx); err != nil {
			return err
		}
		return errAgain
	default:
		return f.k.storeError("claiming", f.r.Thing, err)
	}
}
