package replenish

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

// MaxAge is the age from which on a press that came as a message is not ordered any more.
// It is above what Lambda and the queue take together at most, some sixteen hours, and far
// below [store.MessageTTL]: whatever has ordered for the same message before is
// still remembered while it may order.
//
// [store.MessageTTL]: https://pkg.go.dev/github.com/restock-dev/restock/internal/store#MessageTTL
const MaxAge = 24 * time.Hour

// maxReportAge is that age for whatever else a device sends. By then a newer slot status may
// have been taken, which the late one would overwrite at DRS; when one was taken last is
// noted nowhere, because that would take a write for each. Of a device status it is known.
// And nobody waits for the answer to the rest.
const maxReportAge = time.Hour

var errTooOld = errors.New("it was sent too long ago")

// received is when a message came to us, and zero where nobody can tell: it is old then.
type received time.Time

// receivedAt is when the rule says that it was. It always does, and what comes from it
// directly without that has just come.
func (h *Handler) receivedAt(e message.RuleEvent) received {
	if e.ReceivedAt <= 0 {
		return received(h.now())
	}
	return received(time.UnixMilli(e.ReceivedAt))
}

func (h *Handler) older(at received, limit time.Duration) bool {
	return time.Time(at).IsZero() || h.now().Sub(time.Time(at)) >= limit
}

// overtaken reports whether a device status that was kept back for long says nothing new: a
// newer one was sent, or the device was paired anew, after it came.
func (h *Handler) overtaken(reg *store.Registration, r *report, at received) bool {
	return r.action == message.ActionDeviceStatus && h.older(at, maxReportAge) &&
		(!r.active.After(reg.LastActive) || time.Time(at).Before(reg.StatusAt))
}

// tooOld is for a press that is not ordered because of its age.
func (h *Handler) tooOld(ctx context.Context, p press, at received) bool {
	old := h.older(at, MaxAge)
	if old {
		slog.WarnContext(ctx, "press is too old to be ordered", "thing", p.thing, "id", p.id, "received_at", time.Time(at))
	}
	return old
}
