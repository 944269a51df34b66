package replenish

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
)

// order makes one attempt to order for a message that is ours. reg is nil where the thing
// has no registration. For a message that is old DRS is not asked.
func (h *Handler) order(ctx context.Context, c *claim, reg *store.Registration, old bool) verdict {
	doubtful := c.m.Unknown
	if doubtful {
		if v, decided := h.lookBack(ctx, c.m); decided {
			return v
		}
	}
	switch {
	case old && doubtful:
		return verdict{outcome: message.Failed, code: CodeOutcomeUnknown}
	case old:
		return verdict{outcome: message.Failed, code: CodeTooOld}
	}
	v := h.ask(ctx, c, reg)
	if doubtful && v.instance == "" && v.outcome.Final() {
		v.code = CodeOutcomeUnknown // the refusal says nothing of the call before it
	}
	return v
}

// lookBack decides on a message that may have been ordered, if that can be done without
// DRS: by its notifications, or because it is too late to ask again. A notification from
// before our first call is about an order of an earlier press. Should Amazon's clock be so
// slow that it is about ours, then DRS, asked again, tells of the open order.
func (h *Handler) lookBack(ctx context.Context, m *store.Message) (verdict, bool) {
	instance, found, err := placed.Since(ctx, h.Store, m.Thing, m.Slot, m.FirstSent)
	switch {
	case err != nil:
		return refused(err), true // to ask DRS without having looked could order twice
	case found:
		return verdict{outcome: message.Ordered, code: CodeNotified, instance: instance}, true
	case h.now().Sub(m.FirstSent) > orDefault(h.Window, defaultWindow):
		return verdict{outcome: message.Failed, code: CodeOutcomeUnknown}, true
	}
	return verdict{}, false
}

// errOthers: the device belongs to another customer than when the press was made.
var errOthers = errors.New("another customer has paired the device since")

// ask asks DRS, unless there is nobody to order for.
func (h *Handler) ask(ctx context.Context, c *claim, reg *store.Registration) verdict {
	switch {
	case reg == nil:
		return verdict{outcome: message.NotRegistered}
	case reg.Status == store.Deregistered:
		return verdict{outcome: message.NotRegistered, code: "DEREGISTERED"}
	}
	c.m.Customer = cmp.Or(c.m.Customer, reg.CustomerID)
	doubtful := c.m.Unknown
	var result *drs.ReplenishResult
	err := h.withToken(ctx, reg, func(ctx context.Context, token string) (err error) {
		switch {
		case reg.CustomerID != "" && reg.CustomerID != c.m.Customer: // a refresh may have read it only now
			return errOthers
		case c.m.ClaimUntil.Sub(h.now()) < callTime:
			return errStalled // another may take the message over while we are calling
		}
		c.calls++
		result, err = h.DRS.Replenish(ctx, token, c.m.Slot)
		return err
	})
	if err == nil {
		return h.noticed(ctx, c, answered(result, doubtful))
	}
	if mayHaveOrdered(err) {
		c.m.Unknown = true
		h.count("OutcomeUnknown")
	}
	return refused(err)
}

// noticed counts an answer that we don't know. It comes as failed, with an instance ID.
func (h *Handler) noticed(ctx context.Context, c *claim, v verdict) verdict {
	if v.outcome == message.Failed {
		h.count("UnknownDetailCode")
		slog.WarnContext(ctx, "DRS took a replenish with a detail code that isn't known; it is not repeated",
			"thing", c.m.Thing, "id", c.m.ID, "detail_code", v.code, "instance_id", v.instance)
	}
	return v
}

// result is what a device hears of a verdict.
func (p press) result(v verdict, at time.Time) message.Result {
	return message.Result{
		ID: p.id, Thing: p.thing, Slot: p.slot,
		Outcome: v.outcome, DetailCode: v.code, InstanceID: v.instance, At: at,
	}
}

func replay(r message.Result) message.Result {
	r.Replayed = true
	return r
}

// counted is the outcome that a press is counted under. One that failed because the device
// sent what can't be right is kept apart: no alarm should depend on what a device makes up.
func counted(r message.Result) string {
	if r.DetailCode == CodeBadMessage || r.DetailCode == CodeIDReused {
		return "malformed"
	}
	return string(r.Outcome)
}

// log writes the one line of a press.
func (h *Handler) log(ctx context.Context, by string, r message.Result, cause error) {
	h.count("Press", "outcome", counted(r), "by", by)
	if r.Replayed {
		h.count("PressReplayed", "by", by)
	}
	attributes := []any{
		"by", by, "thing", r.Thing, "slot", r.Slot, "id", r.ID, "outcome", r.Outcome,
		"detail_code", r.DetailCode, "instance_id", r.InstanceID, "replayed", r.Replayed,
	}
	level := slog.LevelInfo
	if cause != nil {
		level, attributes = slog.LevelWarn, append(attributes, "cause", cause)
	}
	slog.Log(ctx, level, "press", attributes...)
}
