package replenish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

// press is one replenish asked for.
type press struct{ thing, slot, id string }

// claim is a message that is ours to work on, or one that is done.
type claim struct {
	m        *store.Message // as we wrote or read it
	before   int            // calls to DRS by others
	calls    int            // and by us
	promised bool           // it was on its way to be tried again when we took it
	until    time.Time      // when it ends by itself
}

func (c *claim) done() bool { return c.m.State == store.Done }

var (
	// errUnderWay: the first one with the same ID is being worked on, and waiting for it
	// was in vain.
	errUnderWay = errors.New("a message with the same id is being worked on")
	// errIDReused: the ID stands for a message about another slot.
	errIDReused = errors.New("the id stands for another slot")
)

// A duplicate looks for the first one's result after gaps that grow.
const (
	firstLook = 100 * time.Millisecond
	longLook  = 500 * time.Millisecond
)

// claim makes p ours, or finds it done. In the ordinary case that is one write; for a
// duplicate it waits for whoever has the claim.
//
// Errors: [errUnderWay], [errIDReused], or one of the store.
func (h *Handler) claim(ctx context.Context, p press) (*claim, error) {
	waiting, cancel := context.WithTimeout(ctx, orDefault(h.Wait, defaultWait))
	defer cancel()
	c, err := h.tryClaim(ctx, &store.Message{Thing: p.thing, ID: p.id, Slot: p.slot})
	for look := firstLook; errors.Is(err, errUnderWay); look = min(look*3/2, longLook) {
		c, err = h.takeOver(ctx, p)
		if errors.Is(err, errUnderWay) && backoff.Sleep(waiting, look) != nil {
			break
		}
	}
	return c, err
}

// tryClaim claims a message that was read as m, or that is new.
func (h *Handler) tryClaim(ctx context.Context, m *store.Message) (*claim, error) {
	now := h.now()
	c := &claim{before: m.Attempts, promised: m.State == store.Retrying}
	next := *m
	// A claim without result was left behind: its owner may have ordered before it died.
	if m.State == store.Claimed && m.Result.Outcome == "" && m.Attempts > 0 {
		next.Unknown = true
	}
	if !next.Unknown {
		next.FirstSent = now // what was tried before has certainly not ordered
	}
	next.State, next.ClaimUntil, next.Result = store.Claimed, now.Add(claimTime), message.Result{}
	next.Attempts++ // the call that is about to begin
	next.ExpiresAt = now.Add(store.MessageTTL)
	c.m, c.until = &next, next.ClaimUntil
	err := h.Store.Put(ctx, c.m)
	switch {
	case errors.Is(err, store.ErrConflict):
		return nil, errUnderWay
	case err != nil:
		return nil, fmt.Errorf("claiming message of %s: %w", m.Thing, err)
	}
	return c, nil
}

// takeOver looks at a message that somebody else has claimed, and claims it if that is over.
func (h *Handler) takeOver(ctx context.Context, p press) (*claim, error) {
	m := &store.Message{Thing: p.thing, ID: p.id}
	err := h.Store.Get(ctx, m)
	switch {
	case errors.Is(err, store.ErrNotFound): // it has just expired
		return h.tryClaim(ctx, &store.Message{Thing: p.thing, ID: p.id, Slot: p.slot})
	case err != nil:
		return nil, fmt.Errorf("reading message of %s: %w", p.thing, err)
	case m.Slot != p.slot:
		return nil, errIDReused
	case m.State == store.Done:
		return &claim{m: m}, nil
	case m.State == store.Claimed && h.claimed(m):
		return nil, errUnderWay
	}
	return h.tryClaim(ctx, m)
}

// clockSkew is how much longer than our own a claim may run before it is taken for one
// that was written under a wrong clock, and ignored.
const clockSkew = 5 * time.Second

func (h *Handler) claimed(m *store.Message) bool {
	left := m.ClaimUntil.Sub(h.now())
	return left > 0 && left <= claimTime+clockSkew
}

// registration reads the registration of a thing; nil: there is none.
func (h *Handler) registration(ctx context.Context, thing string) (*store.Registration, error) {
	reg := &store.Registration{Thing: thing}
	err := h.Store.Get(ctx, reg)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading registration of %s: %w", thing, err)
	}
	return reg, nil
}
