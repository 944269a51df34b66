// Package placed remembers when an order for a slot was last placed, as DRS notified
// us of it.
//
// A replenish whose answer got lost may have ordered. DRS has no call that lists the
// orders of a slot, but it notifies of every order that is placed; package notify notes
// that here, and package replenish looks before it asks DRS again. So an order that was
// placed and then cancelled by the customer, which frees the slot, is not made twice.
package placed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

// Store is what this package needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Status is that of the record: the slot's newest order was placed at its At.
const Status = "placed"

// tries bounds how often a note is tried while others write the same one.
const tries = 5

// record is an order record whose place in the table is named after the slot. DRS's
// own instance IDs begin with amzn1.
func record(thing, slot string) *store.Order {
	return &store.Order{Thing: thing, InstanceID: "slot/" + slot}
}

// Note notes that an order for a slot was placed at a time, or no later. An order older than
// the one that is known changes nothing; of the same one the earliest time counts.
func Note(ctx context.Context, s Store, thing, slot, instance string, at time.Time) error {
	err := store.ErrConflict
	for try := 0; try < tries && errors.Is(err, store.ErrConflict); try++ {
		o := record(thing, slot)
		if err := s.Get(ctx, o); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("reading the newest order of a slot of %s: %w", thing, err)
		}
		if o.Newest == instance && !o.At.After(at) || o.Newest != instance && !o.At.Before(at) {
			return nil
		}
		o.Slot, o.Status, o.Newest, o.At = slot, Status, instance, at
		err = s.Put(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("noting the newest order of a slot of %s: %w", thing, err)
	}
	return nil
}

// Since reports whether an order for a slot was placed at t or later, and the instance ID
// of the newest one.
func Since(ctx context.Context, s Store, thing, slot string, t time.Time) (instance string, found bool, err error) {
	o := record(thing, slot)
	switch err := s.Get(ctx, o); {
	case errors.Is(err, store.ErrNotFound):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("reading the newest order of a slot of %s: %w", thing, err)
	}
	if o.At.Before(t) {
		return "", false, nil
	}
	return o.Newest, true, nil
}
