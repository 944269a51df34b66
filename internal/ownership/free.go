// Package ownership takes a device from whoever holds it, on an operator's word: off the
// customer's account at Amazon, and here.
package ownership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/tokens"
)

// Store is what it needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Owner takes devices from whoever holds them. Store, Amazon and Now are required.
type Owner struct {
	Store Store
	// Amazon takes an active registration off its customer's account, as [AtAmazon] does.
	Amazon func(ctx context.Context, r *store.Registration) error
	// Anyway frees a device here although Amazon could not be told.
	Anyway bool
	Now    func() time.Time
}

// Outcome says what freeing a device did.
type Outcome struct {
	Thing  string       `json:"thing"`
	Freed  bool         `json:"freed"`           // false: it was free before, and nothing was changed
	Was    store.Status `json:"was"`             // status before; not_registered for a thing without record
	Since  time.Time    `json:"since,omitzero"`  // of that status
	HadKey bool         `json:"had_key"`         // a device key was good, and is not any more
	Grant  bool         `json:"grant_forgotten"` // tokens were forgotten
	Amazon Told         `json:"amazon,omitempty"`
	// Trouble is why Amazon was not told, where that was tried in vain.
	Trouble string `json:"trouble,omitempty"`
}

// Told is what has become of the registration at Amazon. "" where it had ended before, and Amazon knew.
type Told string

// What becomes of it.
const (
	Deregistered Told = "deregistered" // off the customer's account
	Ended        Told = "ended"        // Amazon takes no call for the grant any more
	NotTold      Told = "not_told"     // the customer's account may still show the device
)

// AmazonError is returned where Amazon could not be told. Nothing has changed here.
type AmazonError struct {
	Thing string
	Err   error
}

// Error implements error.
func (e *AmazonError) Error() string {
	return fmt.Sprintf("Amazon could not be told that %s is taken from its customer, so nothing was changed here: %v", e.Thing, e.Err)
}

// Unwrap returns why.
func (e *AmazonError) Unwrap() error { return e.Err }

// tries is how often a registration is read and written that others change meanwhile, as
// Amazon's notification of the end does.
const tries = 5

// Free ends the registration of a thing, so that whoever signs in next gets the device.
// First Amazon takes it off the customer's account, which ends the tokens there; then
// they are forgotten here, and the device key opens nothing any more. The registration is
// what is left of it, nil where there was none.
//
// Errors: a malformed name, and [*AmazonError], after which nothing has changed;
// [store.ErrConflict] for a device that was paired anew meanwhile; those of the store, after
// which the same call finishes the work.
func (o *Owner) Free(ctx context.Context, name string) (Outcome, *store.Registration, error) {
	out := Outcome{Thing: name, Was: store.NotRegistered}
	if _, err := thing.Parse(name); err != nil {
		return out, nil, err
	}
	r := &store.Registration{Thing: name}
	err := o.Store.Get(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil, nil
	}
	if err != nil {
		return out, nil, err
	}
	out.Was, out.Since, out.HadKey, out.Grant = r.Status, r.StatusAt.UTC(), r.KeyHash != "", r.AccessToken != "" || r.RefreshToken != ""
	if r.Status != store.Active && r.KeyHash == "" {
		return out, r, nil
	}
	switch {
	case r.Status == store.Active:
		if err := o.tell(ctx, &out, *r); err != nil {
			return out, nil, err
		}
	case r.Reason == store.ReasonNoRefreshToken:
		out.Amazon = NotTold // and nobody can, with no token
	}
	r, err = o.end(ctx, &out, r)
	out.Freed = err == nil
	return out, r, err
}

// tell has Amazon take the device off the account. r is a copy, since a refresh changes it.
func (o *Owner) tell(ctx context.Context, out *Outcome, r store.Registration) error {
	err := o.Amazon(ctx, &r)
	if errors.Is(err, tokens.ErrPairedAnew) {
		return changed(out.Thing)
	}
	if out.Amazon = told(err); out.Amazon != NotTold || isOver(err) {
		return nil
	}
	if !o.Anyway {
		return &AmazonError{out.Thing, err}
	}
	out.Trouble = err.Error()
	return nil
}

// end writes that r is over, and again on the newest record of the same sign-in.
func (o *Owner) end(ctx context.Context, out *Outcome, r *store.Registration) (*store.Registration, error) {
	grant := r.Grant
	for range tries {
		if r.Status == store.Active || r.Reason == store.ReasonByAmazon && out.Amazon == Deregistered {
			r.End(store.Deregistered, store.ReasonByOperator, o.Now())
		}
		r.KeyHash, r.CustomerID, r.Pairing = "", "", ""
		err := o.Store.Put(ctx, r)
		if !errors.Is(err, store.ErrConflict) {
			return r, err
		}
		r = &store.Registration{Thing: out.Thing}
		if err := o.Store.Get(ctx, r); err != nil {
			return nil, err
		}
		if r.Grant != grant {
			break
		}
	}
	return nil, changed(out.Thing)
}

func changed(name string) error {
	return fmt.Errorf("%s was changed at the same time: look at it and try again: %w", name, store.ErrConflict)
}
