package replenish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
)

// report is a slot status or a device status.
type report struct {
	action string
	slot   string
	status drs.SlotStatus
	active time.Time // of a device status
}

// fieldError says which member of a report is wrong.
type fieldError struct{ field, detail string }

func (e *fieldError) Error() string { return e.detail }

func wrong(field, detail string) error { return &fieldError{field, field + " " + detail} }

// readReport reads the payload of an action that is a report.
//
// Errors: [*fieldError], or a sentence about the whole.
func readReport(action string, payload []byte) (*report, error) {
	m, err := members(payload)
	if err != nil {
		return nil, err
	}
	if action == message.ActionDeviceStatus {
		return readDeviceStatus(m)
	}
	return readSlotStatus(m)
}

func readDeviceStatus(m map[string]json.RawMessage) (*report, error) {
	r := &report{action: message.ActionDeviceStatus}
	if err := date(m, "last_active", &r.active); err != nil {
		return nil, err
	}
	if r.active.IsZero() {
		return nil, wrong("last_active", "is missing")
	}
	return r, nil
}

func readSlotStatus(m map[string]json.RawMessage) (*report, error) {
	r := &report{action: message.ActionSlotStatus}
	slot, ok := text(m, "slot")
	if !ok || !validSlot(slot) {
		return nil, &fieldError{"slot", slotRule}
	}
	r.slot = slot
	err := errors.Join(
		quantity(m, "remaining", &r.status.Remaining),
		quantity(m, "original", &r.status.Original),
		quantity(m, "on_hand", &r.status.OnHand),
		date(m, "last_use", &r.status.LastUse),
		date(m, "expected_replenishment", &r.status.ExpectedReplenishment),
	)
	if err != nil {
		return nil, err
	}
	if r.status == (drs.SlotStatus{}) {
		return nil, wrong("remaining", "is missing, and so is every other quantity and date")
	}
	return r, nil
}

// maxQuantity bounds what can be in a container, in whatever unit. Amazon documents no range.
const maxQuantity = 1e12

// quantity reads a number from 0 to maxQuantity. An absent one stays nil.
func quantity(m map[string]json.RawMessage, name string, into **float64) error {
	value, given := m[name]
	if !given {
		return nil
	}
	n := new(float64)
	if json.Unmarshal(value, n) != nil || *n < 0 || *n > maxQuantity {
		return wrong(name, "must be a number from 0 to 1e12")
	}
	*into = n
	return nil
}

// date reads a time as RFC 3339 writes it, or a date alone, of this century. An absent
// one stays zero.
func date(m map[string]json.RawMessage, name string, into *time.Time) error {
	s, ok := text(m, name)
	if _, given := m[name]; !given {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); ok && err == nil && t.Year() >= 2000 && t.Year() < 2100 {
			*into = t.UTC()
			return nil
		}
	}
	return wrong(name, "must be a time as in 2026-01-08T10:00:00Z or a date as in 2026-01-08")
}

// Outcomes of a report, for the count.
const (
	reportSent          = "sent"
	reportRefused       = "refused"
	reportNotRegistered = "not_registered"
	reportGrantEnded    = "grant_ended"
	reportFailed        = "failed" // Amazon, the store or our secrets in trouble
)

// send forwards a report to DRS, and counts what came of it.
//
// Errors: those of the Keeper, or of DRS.
func (h *Handler) send(ctx context.Context, reg *store.Registration, r *report) error {
	err := h.withToken(ctx, reg, func(ctx context.Context, token string) error {
		if r.action == message.ActionDeviceStatus {
			return h.DRS.DeviceStatus(ctx, token, r.active)
		}
		return h.DRS.SlotStatus(ctx, token, r.slot, r.status)
	})
	h.count("Report", "action", r.action, "outcome", reportOutcome(err))
	if err == nil && r.action == message.ActionDeviceStatus {
		h.noteActive(ctx, reg, r.active)
	}
	return err
}

func reportOutcome(err error) string {
	switch {
	case err == nil:
		return reportSent
	case errors.Is(err, tokens.ErrNotRegistered):
		return reportNotRegistered
	case is[*tokens.GrantEndedError](err):
		return reportGrantEnded
	case refusedReport(err):
		return reportRefused
	}
	return reportFailed
}

// refusedReport reports whether DRS won't take a report, now or later.
func refusedReport(err error) bool {
	return errors.Is(err, drs.ErrUnknownSlot) || errors.Is(err, drs.ErrUnsubscribed) ||
		errors.Is(err, drs.ErrInvalidToken) || refusedByDRS(err)
}

// noteActive keeps when the device was last active. A registration that somebody else is
// writing has better things to say, and the next report comes tomorrow.
func (h *Handler) noteActive(ctx context.Context, reg *store.Registration, at time.Time) {
	if now := h.now(); at.After(now) {
		at = now // its clock is fast
	}
	if !at.After(reg.LastActive) {
		return
	}
	next := *reg
	next.LastActive = at.Truncate(time.Millisecond)
	ctx, cancel := settling(ctx)
	defer cancel()
	if err := h.Store.Put(ctx, &next); err != nil && !errors.Is(err, store.ErrConflict) {
		slog.WarnContext(ctx, "noting when a device was last active", "thing", reg.Thing, "error", err)
	}
}

// reported handles a report that came as a message. There is no answer to one: what is
// refused is logged and counted, and what Amazon's trouble kept back comes again.
func (h *Handler) reported(ctx context.Context, e message.RuleEvent, at received) error {
	r, err := readReport(e.Action, e.Data)
	if err != nil {
		h.refuse(ctx, e, "payload", err)
		return nil
	}
	reg, err := h.registration(ctx, e.Thing)
	switch {
	case err != nil:
		return &RetryError{Thing: e.Thing, Action: e.Action, Err: err}
	case reg == nil:
		reg = &store.Registration{Thing: e.Thing, Status: store.NotRegistered}
	case h.overtaken(reg, r, at):
		h.refuse(ctx, e, "too_old", errTooOld)
		return nil
	}
	err = h.send(ctx, reg, r)
	switch {
	case err == nil:
		return nil
	case reportOutcome(err) == reportFailed && !is[*tokens.UnexpectedError](err):
		return &RetryError{Thing: e.Thing, Action: e.Action, Err: fmt.Errorf("reporting to DRS: %w", err)}
	}
	slog.WarnContext(ctx, "report refused", "action", e.Action, "thing", e.Thing, "slot", r.slot, "error", err)
	return nil
}
