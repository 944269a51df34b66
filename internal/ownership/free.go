// Package ownership takes a device from whoever holds it, on an operator's word.
package ownership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

// Store is what it needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Outcome says what freeing a device did.
type Outcome struct {
	Thing  string       `json:"thing"`
	Freed  bool         `json:"freed"`           // false: it was free before, and nothing was changed
	Was    store.Status `json:"was"`             // status before; not_registered for a thing without record
	Since  time.Time    `json:"since,omitzero"`  // of that status
	HadKey bool         `json:"had_key"`         // a device key was good, and is not any more
	Grant  bool         `json:"grant_forgotten"` // tokens were forgotten; Amazon was not told
}

// Free ends the registration of a thing, so that whoever signs in next gets the device: its
// tokens are forgotten and its device key opens nothing any more. Amazon is not told.
//
// Errors: a malformed name, [store.ErrConflict] if the registration was changed meanwhile,
// and those of the store. After any of them nothing has changed.
func Free(ctx context.Context, s Store, name string, now time.Time) (Outcome, *store.Registration, error) {
	o := Outcome{Thing: name, Was: store.NotRegistered}
	if _, err := thing.Parse(name); err != nil {
		return o, nil, err
	}
	r := &store.Registration{Thing: name}
	err := s.Get(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		return o, nil, nil
	}
	if err != nil {
		return o, nil, err
	}
	o.Was, o.Since, o.HadKey, o.Grant = r.Status, r.StatusAt.UTC(), r.KeyHash != "", r.AccessToken != "" || r.RefreshToken != ""
	if r.Status != store.Active && r.KeyHash == "" {
		return o, r, nil
	}
	if r.Status == store.Active {
		r.End(store.Deregistered, store.ReasonByOperator, now)
	}
	r.KeyHash, r.CustomerID, r.Pairing = "", "", ""
	if err := s.Put(ctx, r); err != nil {
		if errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%s was changed at the same time, and is as it was: look at it and try again: %w", name, err)
		}
		return o, nil, err
	}
	o.Freed = true
	return o, r, nil
}
