package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
)

// deregistered ends the registration of a device, if it is the one that Amazon speaks of.
func (h *Handler) deregistered(ctx context.Context, n *notice) (string, error) {
	// A time to come would make every later event look old.
	if now := h.now(); n.at.After(now) {
		n.at = now
	}
	inDoubt, ended := false, false
	reg, err := h.rewrite(ctx, n, func(reg *store.Registration) (bool, error) {
		inDoubt, ended = false, reg.Status == store.Active
		switch {
		case reg.Status == store.Deregistered && reg.Reason == store.ReasonByAmazon:
			return false, nil // by an earlier delivery, whose telling may have failed
		case reg.Status == store.Deregistered:
			return false, errStale // through our API: the device knows
		case reg.Status == store.Active && n.near(reg.StatusAt):
			inDoubt = true
			return h.dueNow(reg), nil
		case reg.Status == store.Active && n.at.Before(reg.StatusAt):
			return false, errStale // the customer has signed in again since
		}
		reg.End(store.Deregistered, store.ReasonByAmazon, n.at)
		return true, nil
	})
	if err != nil {
		return outcomeOf(err)
	}
	if inDoubt {
		return doubtful, nil
	}
	if ended && h.Metrics != nil {
		h.Metrics.Count("GrantEnded", 1, "reason", reg.Reason)
	}
	return done, errors.Join(h.Publisher.Publish(ctx, reg.Thing, message.EventRegistration, reg.State()), h.tellBus(ctx, reg))
}

// tellBus tells the maker that a registration has ended. Whoever is told twice, because the
// device could not be told, finds the same time in both.
func (h *Handler) tellBus(ctx context.Context, reg *store.Registration) error {
	if h.Grants == nil {
		return nil
	}
	return h.Grants.GrantEnded(ctx, reg)
}

// nearSignIn is how far from a sign-in the end of a registration must be to tell whether it
// is the one that the sign-in made. A customer who takes the device off and signs in again
// makes both at almost the same time, and clocks differ.
const nearSignIn = 5 * time.Minute

// near reports whether n was sent so close to a sign-in, or doesn't say when it was sent.
func (n *notice) near(signIn time.Time) bool {
	return n.Time.IsZero() || n.at.Sub(signIn).Abs() <= nearSignIn
}

// dueNow has the sweep refresh a registration, which ends it if the grant has ended. One
// without refresh token ends within its hour. It reports whether it has changed anything.
func (h *Handler) dueNow(reg *store.Registration) bool {
	now := h.now()
	if !reg.Renewable() || !reg.DueAt.IsZero() && !reg.DueAt.After(now) {
		return false
	}
	reg.DueAt = now
	if reg.DueShard == "" {
		shards := h.Shards
		if shards <= 0 {
			shards = defaultShards
		}
		reg.DueShard = store.Shard(reg.Thing, shards)
	}
	return true
}

// errStale: something newer is known.
var errStale = errors.New("something newer is known")

// outcomeOf is what an error of rewrite comes to.
func outcomeOf(err error) (string, error) {
	if errors.Is(err, errStale) {
		return stale, nil
	}
	return failed, err
}

// rewrite changes the registration, and again the newest one if somebody else has written
// it meanwhile. change says whether there is anything to write.
func (h *Handler) rewrite(ctx context.Context, n *notice, change func(*store.Registration) (bool, error)) (*store.Registration, error) {
	reg := n.reg
	for range tries {
		next := *reg
		next.Slots = slices.Clone(reg.Slots)
		changed, err := change(&next)
		if err != nil || !changed {
			return &next, err
		}
		err = h.Store.Put(ctx, &next)
		if err == nil {
			return &next, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, fmt.Errorf("writing registration of %s: %w", reg.Thing, err)
		}
		reg = &store.Registration{Thing: n.reg.Thing}
		if err := h.Store.Get(ctx, reg); err != nil {
			return nil, fmt.Errorf("reading registration of %s: %w", reg.Thing, err)
		}
	}
	return nil, fmt.Errorf("writing registration of %s: %w", reg.Thing, store.ErrConflict)
}

// readEarly is how much older than the sign-in a change of subscriptions may be. The sign-in
// reads the subscriptions itself, so what is older is old news; but clocks differ.
const readEarly = time.Minute

// subscription stores the slots of a device and tells it.
func (h *Handler) subscription(ctx context.Context, n *notice) (string, error) {
	slots := readSlots(n.Slots)
	if err := h.leads(ctx, n); err != nil {
		return outcomeOf(err)
	}
	first := true
	reg, err := h.rewrite(ctx, n, func(reg *store.Registration) (bool, error) {
		if !first { // whoever wrote it may have known something newer
			if err := h.leads(ctx, n); err != nil {
				return false, err
			}
		}
		first = false
		old := n.at.Before(reg.StatusAt.Add(-readEarly)) && len(reg.Slots) > 0
		if reg.Status == store.Deregistered || old {
			return false, errStale
		}
		changed := !slices.Equal(reg.Slots, slots)
		reg.Slots = slots
		return changed, nil
	})
	if err != nil {
		return outcomeOf(err)
	}
	return done, h.Publisher.Publish(ctx, reg.Thing, message.EventSubscription,
		message.Subscription{Thing: reg.Thing, Slots: slots, At: n.at})
}

// leads makes n the newest change of subscriptions that is known, or returns errStale.
// What is known is kept in a mark like that of a notification seen, whose end tells the
// time: it is notificationTTL after the newest one was sent. It is written before the
// slots are, so that whoever writes older slots learns of it.
func (h *Handler) leads(ctx context.Context, n *notice) error {
	end := n.at.Add(notificationTTL)
	if !end.After(h.now()) {
		return errStale // nobody remembers what came after it
	}
	err := store.ErrConflict
	for try := 0; try < tries && errors.Is(err, store.ErrConflict); try++ {
		newest := &store.Notification{Thing: n.reg.Thing, ID: "subscription"}
		if err := h.get(ctx, newest); err != nil {
			return fmt.Errorf("reading the newest subscription of %s: %w", n.reg.Thing, err)
		}
		switch {
		case newest.ExpiresAt.After(end):
			return errStale
		case newest.ExpiresAt.Equal(end):
			return nil
		}
		newest.ExpiresAt = end
		err = h.Store.Put(ctx, newest)
	}
	if err != nil {
		return fmt.Errorf("noting the newest subscription of %s: %w", n.reg.Thing, err)
	}
	return nil
}

// Limits on what is kept of slots. A device has a few.
const (
	maxSlots    = 100
	maxSlotName = 128
)

func readSlots(found []drs.Slot) []message.Slot {
	list := []message.Slot{}
	for _, s := range found {
		if s.ID != "" && len(s.ID) <= maxSlotName && !strings.ContainsFunc(s.ID, unicode.IsControl) && len(list) < maxSlots {
			list = append(list, message.Slot{Slot: s.ID, Subscribed: s.Subscribed})
		}
	}
	return list
}
