package pairing

import (
	"context"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/store"
)

var (
	// ErrWrongKey is returned for a key that is malformed, foreign, replaced, or of a
	// pairing that is refused, expired or unknown: a caller can't tell which.
	ErrWrongKey = errors.New("device key is not known")

	// ErrNotPairedYet is returned for a good key whose customer has not finished.
	ErrNotPairedYet = errors.New("pairing of this device key is not finished")
)

// Getter is what reading a key needs of the store.
type Getter interface {
	Get(ctx context.Context, rec store.Record) error
}

// Authenticate returns the registration that a device key belongs to, of whatever
// status: the key of a deregistered device stays known.
//
// Errors: [ErrWrongKey], [ErrNotPairedYet], or an error of the store.
func Authenticate(ctx context.Context, s Getter, key string) (*store.Registration, error) {
	name, err := devicekey.Thing(key)
	if err != nil {
		return nil, ErrWrongKey
	}
	reg, err := registrationOf(ctx, s, name, key)
	if err != nil || reg != nil {
		return reg, err
	}
	p, err := pairingOf(ctx, s, name, key)
	switch {
	case err != nil:
		return nil, err
	case p == nil || p.Status == store.PairingRefused:
		return nil, ErrWrongKey
	case p.Status == store.PairingWaiting:
		return nil, ErrNotPairedYet
	}
	// Paired: either between the two reads, or the key has been replaced since.
	if reg, err = registrationOf(ctx, s, name, key); err == nil && reg == nil {
		err = ErrWrongKey
	}
	return reg, err
}

// registrationOf returns the registration of a thing if key is its key, else nil.
func registrationOf(ctx context.Context, s Getter, name, key string) (*store.Registration, error) {
	reg := &store.Registration{Thing: name}
	switch err := s.Get(ctx, reg); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading registration of %s: %w", name, err)
	case !devicekey.Matches(key, reg.KeyHash):
		return nil, nil
	}
	return reg, nil
}

// pairingOf returns the pairing that made key, nil where there is none.
func pairingOf(ctx context.Context, s Getter, name, key string) (*store.Pairing, error) {
	p := &store.Pairing{ID: devicekey.PairingID(key)}
	switch err := s.Get(ctx, p); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading pairing of %s: %w", name, err)
	case p.Thing != name || !devicekey.Matches(key, p.KeyHash):
		return nil, nil
	}
	return p, nil
}
