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

// settleTries is how often a result is tried to be stored. An order has been made, and
// if that is forgotten it takes DRS to tell again.
const (
	settleTries = 4
	settleGap   = 50 * time.Millisecond
)

// close notes on the message what came of our claim, and ends it.
func (c *claim) close(r message.Result, state store.MessageState) {
	c.m.State, c.m.Result, c.m.Attempts = state, r, c.before+c.calls
	c.m.ClaimUntil = time.Time{}
	c.m.ExpiresAt = r.At.Add(store.MessageTTL)
	if c.m.Attempts == 0 {
		c.m.FirstSent = time.Time{}
	}
}

// keep stores a claim that was closed, and returns the result that counts: another's,
// where our claim was taken over and somebody else has finished the message.
func (h *Handler) keep(ctx context.Context, c *claim) (message.Result, error) {
	var err error
	for try := range settleTries {
		if try > 0 && backoff.Sleep(ctx, settleGap<<try) != nil {
			break
		}
		rec := *c.m
		if err = h.Store.Put(ctx, &rec); err == nil {
			return c.m.Result, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			continue
		}
		stored := &store.Message{Thing: c.m.Thing, ID: c.m.ID}
		if err = h.Store.Get(ctx, stored); err != nil {
			continue
		}
		if !c.same(stored) {
			if r, over := c.yields(stored); over {
				return r, nil
			}
		} else if stored.QueuedAt.After(c.m.QueuedAt) {
			c.m.QueuedAt = stored.QueuedAt
		}
		c.m.Version, err = stored.Version, store.ErrConflict
	}
	return c.m.Result, fmt.Errorf("storing result of %s: %w", c.m.Thing, err)
}

// yields reports whether what is stored stays, and returns the result to go by. What is
// final stays: a write of our own whose answer got lost, or another's. A claim
// of somebody who took over ours gives way to a final result only.
func (c *claim) yields(stored *store.Message) (message.Result, bool) {
	switch {
	case stored.State == store.Done && same(stored.Result, c.m.Result):
		return c.m.Result, true
	case stored.State == store.Done:
		return replay(stored.Result), true
	}
	return c.m.Result, c.m.State != store.Done
}

// same reports whether what is stored is our own claim still, on which somebody has noted
// that the message is queued.
func (c *claim) same(stored *store.Message) bool {
	return stored.State == store.Claimed && stored.ClaimUntil.Equal(c.until) && stored.Attempts == c.before+1
}

func same(a, b message.Result) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && a == b
}
