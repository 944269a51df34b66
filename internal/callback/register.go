package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
)

// signIn is an authorization code and what belongs to it.
type signIn struct {
	device      thing.Device
	code        string
	verifier    lwa.Secret // zero: no PKCE
	redirectURL string     // the one that the code was asked for with
	clientID    string     // the client that it was given to

	clientSecret lwa.Secret // zero: the exchange sends none
	public       bool       // a companion app's own client, which has no secret

	grant   string         // names the grant that comes of it
	pairing *store.Pairing // nil: none
	keyHash string         // of a key made for this sign-in; "": none
}

// The steps of a sign-in are bounded one by one, and by what is left of its budget
// (see outlasting): together they end with it.
const (
	exchangeTime  = 10 * time.Second // each secret
	tokenInfoTime = 3 * time.Second  // each of three times
	slotsTime     = 5 * time.Second
	ownerTime     = 6 * time.Second // a token of the registration in the way: more than the Keeper needs to begin a refresh
	storeTime     = 2 * time.Second // each call while a device is claimed
	publishTime   = 3 * time.Second
)

// register exchanges the code of s, once, and stores the registration that comes of it.
// Until LWA has answered, nothing is changed.
//
// Errors: those of exchange and of claim, [errNotStored], or one of the store before
// the code was sent.
func (h *Handler) register(ctx context.Context, s *signIn) (*store.Registration, error) {
	token, err := h.redeem(ctx, s)
	if err != nil {
		return nil, err
	}
	asking, cancel := keeping(ctx, keptToStore)
	defer cancel()
	slots := make(chan []message.Slot, 1)
	go func() { slots <- h.slots(asking, s.device.Name(), token.AccessToken) }()
	customer, err := h.customer(asking, s, token.AccessToken)
	if err != nil {
		return nil, err
	}
	reg, err := h.claim(ctx, &claim{signIn: s, customer: customer, token: token, slots: <-slots})
	if err != nil {
		return nil, err
	}
	h.tell(ctx, reg)
	slog.InfoContext(ctx, "device paired", "thing", reg.Thing, "slots", len(reg.Slots), "renewable", reg.Renewable())
	return reg, nil
}

// redeem exchanges the code of s. The code works once: what will be needed after it
// must be there before, the time to ask and to store included.
func (h *Handler) redeem(ctx context.Context, s *signIn) (*lwa.Token, error) {
	ctx, cancel := keeping(ctx, keptToStore+tokenInfoTime)
	defer cancel()
	if ctx.Err() != nil {
		return nil, errNoTime
	}
	name := s.device.Name()
	if err := h.Store.Get(ctx, &store.Registration{Thing: name}); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading registration of %s: %w", name, err)
	}
	if _, err := h.ring(ctx); err != nil {
		return nil, err
	}
	return h.exchange(ctx, s)
}

// slots asks DRS for the slots of a device. Not to know them is no reason to fail.
func (h *Handler) slots(ctx context.Context, name string, token lwa.Secret) []message.Slot {
	ctx, cancel := context.WithTimeout(ctx, slotsTime)
	defer cancel()
	found, err := h.DRS.Subscriptions(ctx, token.Reveal())
	if err != nil {
		slog.WarnContext(ctx, "reading slots at pairing", "thing", name, "error", err)
		return []message.Slot{}
	}
	return readSlots(found)
}

// Limits on what DRS says of slots. A device has a few.
const (
	maxSlots    = 100
	maxSlotName = 128
)

func readSlots(found []drs.Slot) []message.Slot {
	slots := []message.Slot{}
	for _, s := range found {
		if s.ID != "" && len(s.ID) <= maxSlotName && plain(s.ID) && len(slots) < maxSlots {
			slots = append(slots, message.Slot{Slot: s.ID, Subscribed: s.Subscribed})
		}
	}
	return slots
}

// tell tells the device of its registration. It may be asleep; it can ask later.
func (h *Handler) tell(ctx context.Context, reg *store.Registration) {
	ctx, stop := keeping(ctx, keptToClose)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := h.Publisher.Publish(ctx, reg.Thing, message.EventRegistration, reg.State()); err != nil {
		slog.WarnContext(ctx, "telling device of its registration", "thing", reg.Thing, "error", err)
	}
}
