// Package tokens hands out access tokens, and sees to it that for one expiry there is
// one refresh in the whole fleet.
//
// A [Keeper] works on the registration record alone, by conditional writes. Whoever
// finds the access token used up writes a lease into the record (one write), asks
// Login with Amazon, and stores the answer together with the end of the lease (a
// second write). Everybody else reads the record until the new token is there. Within
// one process all callers who want the same token replaced share one such flight.
//
// Three rules keep a refresh token from being lost or overwritten:
//
//   - What LWA sent is stored before the access token is handed out. While the store
//     fails it is tried again until the lease ends, then kept in memory for the next
//     flight, which stores it instead of asking LWA again.
//   - A result is stored at the version that was read. If the record changed meanwhile,
//     it is read again: with the lease still ours, or the tokens still those that we
//     started from, the result goes onto the newer record; else it is dropped for the
//     newer token.
//   - Only the holder of the lease may say that a grant has ended. One whose lease was
//     taken over may have been refused because the other had just rotated the token.
//
// Trouble is remembered: with the device in Failures and NextAttempt of its record, with
// LWA's endpoint and with our own credentials in the Keeper, so that an outage is
// noticed by a few and not by every device.
package tokens

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// Policy says when tokens are refreshed.
type Policy string

// The policies. The zero Policy is Ahead.
const (
	Ahead Policy = "ahead"  // by the sweep, in the jittered minutes before the last ten
	OnUse Policy = "on-use" // by the first caller who finds the token used up
)

// Store is what the Keeper needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Keeper is the only way to an access token. It is safe for concurrent use and must not
// be copied. Store, Credentials and Keys are required.
type Keeper struct {
	Store       Store
	Credentials credentials.Source
	Keys        seal.Source
	// Endpoint returns LWA's hosts for a region; nil: Amazon's.
	Endpoint   func(lwa.Region) lwa.Endpoint
	HTTPClient *http.Client // nil: lwa's own
	Policy     Policy
	Shards     int              // of the due index; 0: 16
	Now        func() time.Time // nil: time.Now
	// Ended is told once when a grant has ended, after that is stored. r is its own copy;
	// ctx lasts for CallTimeout, whatever the caller's does. The caller waits for it.
	Ended func(ctx context.Context, r *store.Registration)

	// CallTimeout bounds one call to LWA; 0: 10 s.
	CallTimeout time.Duration
	// Lease is how long a refresh belongs to one keeper, and so how long one that died
	// delays the others; 0: 20 s. It is never less than CallTimeout and a second.
	Lease time.Duration
	// Margin: a token that lives longer than this is handed out without a thought of
	// refreshing; 0: 60 s.
	Margin time.Duration
	// Rand is the source of jitter, in [0, 1); nil: math/rand/v2.
	Rand func() float64

	flights flight.Group[landed]            // by thing and the token to replace
	reloads flight.Group[[]credentials.LWA] // of our credentials

	mu       sync.Mutex
	working  map[string]lwa.Secret // by client ID: the secret that LWA took last
	gates    map[string]*flight.Gate
	unstored map[string]*gain // by thing
}

// AccessToken returns a valid access token for r, a registration just read. When it
// has to refresh, r becomes the newest record, also where it fails.
//
// A token with more than Margin to live is returned as it is, without any call. In its last
// minute it is replaced, but still used should that not be possible.
//
// Errors: [ErrNotRegistered], [*GrantEndedError], [*UnavailableError], [*CredentialsError],
// [*UnexpectedError], [*SealError].
func (k *Keeper) AccessToken(ctx context.Context, r *store.Registration) (lwa.Secret, error) {
	if err := usable(r); err != nil {
		return lwa.Secret{}, err
	}
	left := k.left(r)
	if left > k.margin() || left > 0 && (!r.Renewable() || k.leasedFor(r, "") > 0) {
		return k.openAccess(ctx, r)
	}
	was := *r
	token, err := k.replace(ctx, r)
	if err != nil && !Over(err) && k.left(&was) > 0 {
		return k.openAccess(ctx, &was)
	}
	return token, err
}

// Renew is AccessToken after a resource server refused the token rejected: it
// refreshes once unless somebody else already has. A grant that can't be refreshed
// has ended by then.
func (k *Keeper) Renew(ctx context.Context, r *store.Registration, rejected lwa.Secret) (lwa.Secret, error) {
	if err := usable(r); err != nil {
		return lwa.Secret{}, err
	}
	if k.left(r) > 0 {
		token, err := k.openAccess(ctx, r)
		if err != nil || token.Reveal() != rejected.Reveal() {
			return token, err
		}
	}
	return k.replace(ctx, r)
}

// RefreshAhead is the sweep's call for one thing: it refreshes if the record is due.
// Errors are those of AccessToken.
func (k *Keeper) RefreshAhead(ctx context.Context, thing string) error {
	_, err := k.RefreshDue(ctx, thing)
	return err
}

// Due tells what RefreshDue found.
type Due struct {
	At        time.Time // since when it was due, however often it has failed; zero if it was not
	Refreshed bool      // by this call or one that it shared
}

// RefreshDue is RefreshAhead, and says what it did. A record that isn't due, that another
// keeper is refreshing, or that waits for its next attempt is left alone without error.
func (k *Keeper) RefreshDue(ctx context.Context, thing string) (Due, error) {
	r := &store.Registration{Thing: thing}
	if err := k.Store.Get(ctx, r); err != nil {
		return Due{}, k.storeError("reading", thing, err)
	}
	if err := usable(r); err != nil {
		return Due{}, err
	}
	now := k.now()
	if r.DueAt.IsZero() || r.DueAt.After(now) || !r.Renewable() && k.left(r) > 0 || k.leasedFor(r, "") > 0 {
		return Due{}, nil
	}
	due := Due{At: r.DueAt}
	if !r.DueSince.IsZero() {
		due.At = r.DueSince
	}
	if r.NextAttempt.After(now) {
		return due, nil
	}
	_, err := k.replace(ctx, r)
	due.Refreshed = err == nil
	return due, err
}

// usable returns why there can be no token for r, or nil.
func usable(r *store.Registration) error {
	switch r.Status {
	case store.Active:
		return nil
	case store.GrantEnded:
		return &GrantEndedError{Reason: r.Reason, At: r.StatusAt}
	default:
		return ErrNotRegistered
	}
}
