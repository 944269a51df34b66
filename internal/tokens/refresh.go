package tokens

import (
	"context"
	"errors"
	"time"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// job is all that a refresh needs, found before the lease is written, so that what is
// wrong on our side costs nobody else a wait.
type job struct {
	ring    *seal.Ring
	refresh lwa.Secret
	client  lwa.Client
	public  bool // the client has no secret
}

// refresh asks LWA, under a lease, and stores the outcome: two writes, no read.
func (f *renewal) refresh(ctx context.Context) error {
	j, err := f.prepare(ctx)
	if err != nil {
		return err
	}
	if g := f.k.takeUnstored(f.r); g != nil {
		return f.keep(ctx, g) // should it have expired meanwhile, it is refreshed next
	}
	left, err := f.timeLeft()
	if err != nil {
		return err
	}
	pass, err := f.k.enter(ctx, j)
	if err != nil {
		return f.blocked(ctx, err)
	}
	defer pass.leave(ctx, nothing, 0)
	if err := f.claim(ctx); err != nil {
		return err
	}
	left = min(left, f.r.LeaseUntil.Sub(f.k.now())*9/10) // the rest is for storing the answer
	if left <= 0 {
		return errAgain
	}
	token, err := f.k.ask(ctx, j, left, pass)
	if err != nil {
		return f.fail(ctx, err)
	}
	g, err := newGain(j.ring, f.r, j.refresh, token)
	if err != nil {
		return f.fail(ctx, err)
	}
	if err := f.keep(ctx, g); err != nil {
		return err
	}
	if f.k.left(f.r) == 0 {
		return &UnexpectedError{errors.New("the new access token had expired when it came")}
	}
	return nil
}

func (f *renewal) prepare(ctx context.Context) (*job, error) {
	ring, err := f.k.ring(ctx)
	if err != nil {
		return nil, err
	}
	refresh, err := open(ring, f.r, seal.FieldRefreshToken, f.r.RefreshToken)
	if err != nil {
		return nil, f.postpone(ctx, err, sameTokens(f.r))
	}
	client, err := f.k.client(ctx, f.r)
	if err != nil {
		return nil, err
	}
	return &job{ring: ring, refresh: refresh, client: client, public: f.r.PublicClient}, nil
}

// blocked is what a device gets while nobody asks LWA for it. Where it is one client that
// LWA refuses, the sweep must still reach the devices of another: the record's turn comes
// again later.
func (f *renewal) blocked(ctx context.Context, cause error) error {
	if is[*CredentialsError](cause) && !f.r.DueAt.IsZero() && !f.r.DueAt.After(f.k.now()) {
		return f.postpone(ctx, cause, sameTokens(f.r))
	}
	return cause
}

// fail decides what LWA's refusal means, and stores it.
func (f *renewal) fail(ctx context.Context, cause error) error {
	if refusal(cause) != lwa.InvalidGrant {
		return f.postpone(ctx, f.k.classify(cause), f.holdsLease)
	}
	// Somebody may have signed in again, or have refreshed while we slept: then it was
	// an old token that LWA refused, and the record has a better one.
	same := sameTokens(f.r)
	if err := f.read(ctx); err != nil {
		return err
	}
	if !f.holdsLease(f.r) || !same(f.r) {
		return errAgain
	}
	return f.end(ctx, store.ReasonConsentWithdrawn, f.holdsLease)
}

// holdsLease reports whether nobody has taken over our lease in r. That its time may be
// over is no matter: who takes it over writes r.
func (f *renewal) holdsLease(r *store.Registration) bool { return r.LeaseOwner == f.owner }

// sameTokens returns the test whether a record still has the tokens of was.
func sameTokens(was *store.Registration) func(*store.Registration) bool {
	return func(r *store.Registration) bool {
		return r.Status == store.Active && r.Grant == was.Grant &&
			r.AccessToken == was.AccessToken && r.RefreshToken == was.RefreshToken
	}
}

// release takes our lease out of r, or one whose time is over.
func (f *renewal) release(r *store.Registration) {
	if f.holdsLease(r) || f.k.leasedFor(r, f.owner) == 0 {
		r.LeaseOwner, r.LeaseUntil = "", time.Time{}
	}
}
