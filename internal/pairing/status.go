package pairing

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/store"
)

// StatusExpired is told of a pairing that is absent, to whoever holds its key.
const StatusExpired store.PairingStatus = "expired"

// Status returns how far the pairing of a device has come, and its thing. A key proves
// which pairing it belongs to, so its holder learns that the pairing has expired.
//
// Errors: [ErrWrongKey] for a key that is not the pairing's, or an error of the store.
func Status(ctx context.Context, s Getter, id, key string) (store.PairingStatus, string, error) {
	name, err := devicekey.Thing(key)
	if err != nil || subtle.ConstantTimeCompare([]byte(devicekey.PairingID(key)), []byte(id)) != 1 {
		return "", "", ErrWrongKey
	}
	// The pairing is read first: it is marked after the registration is written. What the
	// registration says goes before the mark, and outlives it.
	p, err := pairingOf(ctx, s, name, key)
	if err != nil {
		return "", "", err
	}
	switch reg, err := registrationOf(ctx, s, name, key); {
	case err != nil:
		return "", "", err
	case reg != nil:
		return store.PairingPaired, name, nil
	case p != nil:
		return p.Status, name, nil
	}
	return StatusExpired, name, nil
}

// Find returns a pairing by its ID, as paired where a registration says so before its
// mark does.
//
// Errors: [store.ErrNotFound] for one that is unknown or has expired, or another of
// the store.
func Find(ctx context.Context, s Getter, id string) (*store.Pairing, error) {
	p := &store.Pairing{ID: id}
	if err := s.Get(ctx, p); err != nil {
		return nil, fmt.Errorf("reading pairing: %w", err)
	}
	if p.Status != store.PairingWaiting {
		return p, nil
	}
	reg := &store.Registration{Thing: p.Thing}
	err := s.Get(ctx, reg)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("reading registration of %s: %w", p.Thing, err)
	case reg.Pairing == p.ID:
		p.Status = store.PairingPaired
	}
	return p, nil
}
