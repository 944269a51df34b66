package tokens

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

// ErrNotRegistered is returned for a thing without registration, or a deregistered one.
var ErrNotRegistered = errors.New("thing is not registered")

// GrantEndedError is returned once the grant has ended. Only a new sign-in heals it.
type GrantEndedError struct {
	Reason string // of package store
	At     time.Time
}

func (e *GrantEndedError) Error() string { return "the grant has ended: " + e.Reason }

// UnavailableError is trouble that may pass: LWA, the store or the lease of another.
// The same call may succeed after RetryAfter, which is at least a second.
type UnavailableError struct {
	RetryAfter time.Duration
	// Outage: it isn't about this device. LWA, or our own secrets, are out of reach for
	// everybody, and there is no use in trying another device before RetryAfter.
	Outage bool
	Err    error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("no access token for now, try again in %v: %v", e.RetryAfter.Round(time.Second), e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// CredentialsError is LWA refusing our own client secret: for the operator, never the device.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("LWA client credentials do not work: %v", e.Err)
}

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// SecretsError is that our own secrets can't be read now, while nothing is known to be wrong
// with them. It comes in an [*UnavailableError].
type SecretsError struct{ Err error }

func (e *SecretsError) Error() string { return fmt.Sprintf("our own secrets can't be read: %v", e.Err) }

// Unwrap returns the cause.
func (e *SecretsError) Unwrap() error { return e.Err }

// UnexpectedError is an answer of LWA that fits nothing known: permanent for this press,
// while the grant stays active with a next-attempt time.
type UnexpectedError struct{ Err error }

func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("LWA answered unexpectedly: %v", e.Err)
}

// Unwrap returns the cause.
func (e *UnexpectedError) Unwrap() error { return e.Err }

// SealError is a stored token that can't be opened: a key is missing from the ring, or
// the record was tampered with. For the operator, never the device.
type SealError struct {
	Thing string
	Field string // of package seal
	Err   error  // of [seal.Ring.Open]
}

// Error is that of package seal, which names field and thing.
func (e *SealError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SealError) Unwrap() error { return e.Err }

var (
	errNotYet  = errors.New("LWA is not asked again so soon after a failure")
	errNoTime  = errors.New("too little time is left to ask LWA and to store its answer")
	errHeld    = errors.New("another keeper has been refreshing all the while")
	errOutage  = errors.New("LWA is failing")
	errRefused = errors.New("LWA refused this client just now")
)

// Over reports whether err, of a [Keeper], says that there will be no token any more.
func Over(err error) bool {
	return is[*GrantEndedError](err) || errors.Is(err, ErrNotRegistered)
}

// unavailable says when to come back; after zero, in a few jittered seconds.
func (k *Keeper) unavailable(after time.Duration, err error) *UnavailableError {
	if after <= 0 {
		after = k.backoff().Wait(1)
	}
	return &UnavailableError{RetryAfter: max(time.Second, after), Err: err}
}

// outage is trouble that every device shares.
func (k *Keeper) outage(after time.Duration, err error) *UnavailableError {
	u := k.unavailable(after, err)
	u.Outage = true
	return u
}

// storeError names what was done to the record of a thing when err came.
func (k *Keeper) storeError(doing, thing string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrNotRegistered
	case errors.Is(err, store.ErrUnavailable), isContext(err):
		return k.unavailable(0, fmt.Errorf("%s the registration of %s: %w", doing, thing, err))
	default:
		return fmt.Errorf("%s the registration of %s: %w", doing, thing, err)
	}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// is reports whether err is or wraps a T.
func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
