package replenish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
)

// tellRegistration tells a device how things stand, as it has asked.
func (h *Handler) tellRegistration(ctx context.Context, e message.RuleEvent) error {
	reg, err := h.registration(ctx, e.Thing)
	if err == nil {
		state := h.unregistered(e.Thing)
		if reg != nil {
			state = reg.State()
		}
		err = h.Publisher.Publish(ctx, e.Thing, message.EventRegistration, state)
	}
	if err != nil {
		return &RetryError{Thing: e.Thing, Action: e.Action, Err: err}
	}
	return nil
}

// unregistered is what a thing without registration is told.
func (h *Handler) unregistered(name string) message.Registration {
	d, _ := thing.Parse(name) // checked before
	return message.Registration{
		Thing: name, DeviceModel: d.Model, Serial: d.Serial,
		Status: string(store.NotRegistered), Slots: []message.Slot{}, At: h.now(),
	}
}

// startPairing starts a pairing, as a device has asked over MQTT.
func (h *Handler) startPairing(ctx context.Context, e message.RuleEvent) error {
	p, err := h.Pairings.StartOverMQTT(ctx, e.Thing)
	if err == nil {
		err = h.Publisher.Publish(ctx, e.Thing, message.EventPairing, p)
	}
	if err != nil {
		return &RetryError{Thing: e.Thing, Action: e.Action, Err: err}
	}
	return nil
}

// deregister takes a device off its customer's account, at DRS and here. One whose grant
// has ended needs no DRS: Amazon takes no call for it any more. Where the customer has signed
// in again meanwhile, nothing is done: that grant is not what was to end.
//
// Errors: of the Keeper or of DRS, and then nothing has changed here; of the store, and
// then the same call finishes the work.
func (h *Handler) deregister(ctx context.Context, reg *store.Registration) error {
	switch reg.Status {
	case store.Deregistered:
		return nil
	case store.Active:
		grant := reg.Grant
		err := h.withToken(ctx, reg, tokens.ForGrant(reg, h.DRS.Deregister))
		switch {
		case reg.Grant != grant:
			return nil
		case err != nil && !gone(err):
			return err
		}
	}
	return h.end(ctx, reg)
}

// gone reports whether err says that Amazon knows the device no more: the grant has
// ended, or DRS takes not even a fresh token, as after a call whose answer got lost.
func gone(err error) bool {
	return tokens.Over(err) || errors.Is(err, drs.ErrInvalidToken)
}

// end records that reg's grant was given back, unless there is another grant by now, and
// tells the device.
func (h *Handler) end(ctx context.Context, reg *store.Registration) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	grant, now := reg.Grant, h.now()
	var err error
	for try := range settleTries {
		if try > 0 {
			_ = backoff.Sleep(ctx, settleGap<<try) // once ctx is done, the try fails
		}
		next := *reg
		next.End(store.Deregistered, store.ReasonDeregistered, now)
		if err = h.Store.Put(ctx, &next); err == nil {
			h.tellEnd(ctx, &next)
			return nil
		}
		newest, readErr := h.registration(ctx, reg.Thing)
		switch {
		case readErr != nil:
			err = readErr
		case newest == nil, newest.Grant != grant:
			return nil
		default:
			reg = newest
		}
	}
	return fmt.Errorf("storing the end of the registration of %s: %w", reg.Thing, err)
}

func (h *Handler) tellEnd(ctx context.Context, reg *store.Registration) {
	slog.InfoContext(ctx, "device deregistered", "thing", reg.Thing, "at", reg.StatusAt.Format(time.RFC3339))
	if err := h.Publisher.Publish(ctx, reg.Thing, message.EventRegistration, reg.State()); err != nil {
		slog.WarnContext(ctx, "telling device of the end of its registration", "thing", reg.Thing, "error", err)
	}
}
