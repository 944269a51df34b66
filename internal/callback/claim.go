package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

var (
	// errTaken: the device belongs to another customer.
	errTaken = errors.New("device belongs to another customer")
	// errUnconfirmed: the device is taken, and LWA doesn't say whether by this customer.
	errUnconfirmed = errors.New("device is taken, and its customer could not be confirmed")
	// errNotStored: the code is used up, and what came of it could not be stored.
	errNotStored = errors.New("registration could not be stored")
)

// claim is a device claimed for the customer who has signed in.
type claim struct {
	*signIn
	customer string // "": LWA didn't say
	token    *lwa.Token
	slots    []message.Slot
}

// claimTries is how often a claim is tried while others change the registration or the
// store is out of reach: the tokens are at hand, and their code is used up.
const (
	claimTries = 5
	claimGap   = 50 * time.Millisecond
)

// claim stores the registration of c, if the rules of ownership allow it.
//
// Errors: [errTaken], [errUnconfirmed] or [errNotStored].
func (h *Handler) claim(ctx context.Context, c *claim) (*store.Registration, error) {
	var err error
	for try := range claimTries {
		if try > 0 && backoff.Sleep(ctx, claimGap<<try) != nil {
			break
		}
		var reg *store.Registration
		reg, err = h.tryClaim(ctx, c)
		if err == nil || errors.Is(err, errTaken) || errors.Is(err, errUnconfirmed) {
			return reg, err
		}
	}
	return nil, fmt.Errorf("%w: %w", errNotStored, err)
}

func (h *Handler) tryClaim(ctx context.Context, c *claim) (*store.Registration, error) {
	reg := &store.Registration{Thing: c.device.Name()}
	if err := h.get(ctx, reg); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if reg.Grant == c.grant {
		return reg, nil // by an earlier try, whose answer got lost
	}
	if err := h.mayClaim(ctx, c, reg); err != nil {
		if errors.Is(err, errTaken) {
			h.mark(ctx, c.pairing, store.PairingRefused)
		}
		return nil, err
	}
	next := h.next(c, reg)
	if err := h.Keeper.Seal(ctx, next, c.token); err != nil {
		return nil, fmt.Errorf("sealing tokens of %s: %w", reg.Thing, err)
	}
	if err := h.put(ctx, next); err != nil {
		return nil, err
	}
	// Marked after the registration is stored: a poll looks at both.
	h.mark(ctx, c.pairing, store.PairingPaired)
	return next, nil
}

// mayClaim decides whose device it is. An active registration stays with its customer,
// unless the pairing was started with its present key. One that has ended is free.
func (h *Handler) mayClaim(ctx context.Context, c *claim, reg *store.Registration) error {
	switch {
	case reg.Status != store.Active:
		return nil
	case c.customer == "":
		return errUnconfirmed
	case c.byOwner(reg):
		return nil
	}
	err := h.learnCustomer(ctx, reg)
	var ended *tokens.GrantEndedError
	switch {
	case errors.As(err, &ended), err == nil && reg.CustomerID == c.customer:
		return nil
	case err != nil:
		slog.WarnContext(ctx, "asking whose device it is", "thing", reg.Thing, "error", err)
		return errUnconfirmed
	}
	return errTaken
}

// byOwner reports whether the pairing was started by whoever had the key of reg. It
// counts once, and not for a registration that was made after the pairing began.
func (c *claim) byOwner(reg *store.Registration) bool {
	p := c.pairing
	return p != nil && p.ByOwner && p.ID != reg.Pairing && !reg.StatusAt.After(p.ExpiresAt.Add(-store.PairingTTL))
}

// learnCustomer fills in the customer of an active registration that was made while LWA
// didn't say whose it is: its own token tells. It may find that the grant has ended.
func (h *Handler) learnCustomer(ctx context.Context, reg *store.Registration) error {
	if reg.CustomerID != "" {
		return nil
	}
	ctx, stop := keeping(ctx, keptToStore)
	defer stop()
	asking, cancel := context.WithTimeout(ctx, ownerTime)
	defer cancel()
	token, err := h.Keeper.AccessToken(asking, reg)
	if err != nil {
		return err
	}
	reg.CustomerID, err = whose(ctx, h.client(reg.ClientID, lwa.Secret{}, h.RedirectURL), token)
	return err
}

// next returns the registration of c that takes the place of reg.
func (h *Handler) next(c *claim, reg *store.Registration) *store.Registration {
	next := &store.Registration{
		Meta: store.Meta{Version: reg.Version}, Thing: reg.Thing, DeviceModel: c.device.Model, Serial: c.device.Serial,
		Status: store.Active, StatusAt: h.now(), Grant: c.grant, Region: string(h.Region),
		ClientID: c.clientID, PublicClient: c.public, CustomerID: c.customer,
		Slots: c.slots, LastActive: reg.LastActive, KeyHash: c.keyHash,
	}
	if c.pairing != nil {
		next.Pairing, next.KeyHash = c.pairing.ID, c.pairing.KeyHash
	}
	if next.KeyHash == "" && c.customer != "" && c.customer == reg.CustomerID {
		next.KeyHash = reg.KeyHash // no new key: that of the same customer stays
	}
	return next
}

// mark notes on a pairing how it ended. Nothing is lost if it can't: that it is paired
// shows in the registration, and one that is refused expires.
func (h *Handler) mark(ctx context.Context, p *store.Pairing, status store.PairingStatus) {
	if p == nil || p.Status == status {
		return
	}
	p.Status = status
	err := h.put(ctx, p)
	if errors.Is(err, store.ErrConflict) { // another sign-in at the same link: paired counts
		if err = h.get(ctx, p); err == nil && p.Status != status && status == store.PairingPaired {
			p.Status = status
			err = h.put(ctx, p)
		}
	}
	if err != nil {
		slog.WarnContext(ctx, "marking pairing", "thing", p.Thing, "status", status, "error", err)
	}
}

// get is Store.Get, bounded by storeTime: while a device is claimed a call that hangs
// must leave time to try again.
func (h *Handler) get(ctx context.Context, rec store.Record) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return h.Store.Get(ctx, rec)
}

// put is Store.Put, bounded likewise.
func (h *Handler) put(ctx context.Context, rec store.Record) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return h.Store.Put(ctx, rec)
}
