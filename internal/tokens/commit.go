package tokens

import (
	"context"
	"errors"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/store"
)

// change is something to be stored, on whichever record is the newest by then.
type change struct {
	// apply makes the change.
	apply func(*store.Registration)
	// ours says whether the change may still be made to a record that others have
	// written since.
	ours func(*store.Registration) bool
	// done says that the change is in a record already: a write may have gone through
	// though its answer was lost. nil: never.
	done func(*store.Registration) bool
	// insist: keep trying while the store is unavailable.
	insist bool
}

// commit stores a change. errAgain: it was no longer ours to make.
func (f *renewal) commit(ctx context.Context, c change) error {
	for gap := firstGap; ; gap = longer(gap) {
		err := f.try(ctx, c)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue // f.r is the newer record now
		case !c.insist || !is[*UnavailableError](err):
			return err
		case backoff.Sleep(ctx, f.k.jitter(gap)) != nil:
			return err
		}
	}
}

func (f *renewal) try(ctx context.Context, c change) error {
	next := clone(f.r)
	c.apply(next)
	err := f.k.Store.Put(ctx, next)
	if err == nil {
		f.r = next
		return nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return f.k.storeError("writing", f.r.Thing, err)
	}
	if err := f.read(ctx); err != nil {
		return err
	}
	switch {
	case c.done != nil && c.done(f.r):
		return nil
	case !c.ours(f.r):
		return errAgain
	default:
		return err
	}
}

// end stores that the grant has ended, and tells so once.
func (f *renewal) end(ctx context.Context, reason string, ours func(*store.Registration) bool) error {
	at := f.k.now()
	leased := f.holdsLease(f.r) // then nobody else can have written just this
	err := f.commit(ctx, change{
		insist: true,
		ours:   ours,
		apply:  func(r *store.Registration) { r.End(store.GrantEnded, reason, at) },
		done: func(r *store.Registration) bool {
			return leased && r.Status == store.GrantEnded && r.Reason == reason && r.StatusAt.Equal(at)
		},
	})
	if err != nil {
		return err
	}
	if f.k.Ended != nil { // it must be told now or never: not in what time the flight has left
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.k.callTimeout())
		defer cancel()
		f.k.Ended(ctx, clone(f.r))
	}
	return usable(f.r)
}

// postpone records a failure with the time of the next attempt, and returns cause. With a
// failing store that is not recorded; the lease ends by itself.
func (f *renewal) postpone(ctx context.Context, cause error, ours func(*store.Registration) bool) error {
	wait := f.k.wait(cause, f.r.Failures+1)
	next := f.k.now().Add(wait)
	err := f.commit(ctx, change{
		ours: ours,
		apply: func(r *store.Registration) {
			r.Failures++
			r.NextAttempt = stamp(next)
			f.release(r)
			f.k.scheduleRetry(r, next, cause)
		},
	})
	if errors.Is(err, errAgain) {
		return err
	}
	var passing *UnavailableError
	if errors.As(cause, &passing) {
		passing.RetryAfter = wait
	}
	return cause
}
