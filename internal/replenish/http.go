package replenish

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
)

// Routes adds the device routes to m.
func (h *Handler) Routes(m *web.Mux) {
	m.Handle("POST /v1/replenish", h.device(h.replenish))
	m.Handle("POST /v1/slot-status", h.device(h.report(message.ActionSlotStatus)))
	m.Handle("POST /v1/device-status", h.device(h.report(message.ActionDeviceStatus)))
	m.Handle("GET /v1/registration", h.device(showRegistration))
	m.Handle("DELETE /v1/registration", h.device(h.deleteRegistration))
}

// deviceFunc serves a route for the device that reg belongs to.
type deviceFunc func(w http.ResponseWriter, r *http.Request, reg *store.Registration) error

// device lets only devices with their key through to f. The registration that proves the
// key is read before anything else is done: nobody may write a record, and block
// a message ID with it, for a device that is not theirs.
func (h *Handler) device(f deviceFunc) http.Handler {
	return web.Func(func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := detached(r.Context())
		defer cancel()
		r = r.WithContext(ctx)
		reg, err := pairing.Authenticate(ctx, h.Store, web.Bearer(r))
		switch {
		case errors.Is(err, pairing.ErrNotPairedYet):
			return web.New(web.CodeNotPairedYet, "the customer has not finished the pairing of this key yet")
		case errors.Is(err, pairing.ErrWrongKey):
			return web.Unauthorized()
		case err != nil:
			return unreachable(ctx, err)
		}
		return f(w, r, reg)
	})
}

// readBody reads the body, to be read on as the messages over MQTT are.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body json.RawMessage
	err := web.ReadJSON(w, r, &body)
	return body, err
}

// report returns the route of an action that is a report.
func (h *Handler) report(action string) deviceFunc {
	return func(w http.ResponseWriter, r *http.Request, reg *store.Registration) error {
		body, err := readBody(w, r)
		if err != nil {
			return err
		}
		report, err := readReport(action, body)
		if field, ok := errors.AsType[*fieldError](err); ok {
			return web.BadField(field.field, field.detail)
		} else if err != nil {
			return web.New(web.CodeBadBody, err.Error())
		}
		if err := h.send(r.Context(), reg, report); err != nil {
			return reportProblem(r.Context(), err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// reportProblem is what a device hears of a report that was not taken. Of a device that
// is not registered any more DRS takes none, so that is 422 as well: the detail says
// what helps.
func reportProblem(ctx context.Context, err error) error {
	switch reportOutcome(err) {
	case reportNotRegistered:
		return web.New(web.CodeRefused, "the device is not registered with a customer; pair it first")
	case reportGrantEnded:
		return web.New(web.CodeRefused, "the customer's consent has ended; pair the device again")
	case reportRefused:
		return refusedProblem(ctx, err)
	}
	return unreachable(ctx, err)
}

func refusedProblem(ctx context.Context, err error) error {
	slog.WarnContext(ctx, "DRS refused a call", "error", err)
	switch {
	case errors.Is(err, drs.ErrUnknownSlot):
		return web.New(web.CodeRefused, "DRS knows no such slot of this device; GET /v1/registration lists its slots")
	case errors.Is(err, drs.ErrUnsubscribed):
		return web.New(web.CodeRefused, "the customer has not subscribed to this slot")
	}
	return web.New(web.CodeRefused, "DRS refused the call; our log has its reason")
}

func showRegistration(w http.ResponseWriter, _ *http.Request, reg *store.Registration) error {
	return web.WriteJSON(w, http.StatusOK, reg.State())
}

func (h *Handler) deleteRegistration(w http.ResponseWriter, r *http.Request, reg *store.Registration) error {
	err := h.deregister(r.Context(), reg)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case refusedReport(err):
		return refusedProblem(r.Context(), err)
	}
	return unreachable(r.Context(), err)
}

// unreachable is the answer to trouble that may pass: 503. An error of no such kind is a
// fault of ours.
func unreachable(ctx context.Context, err error) error {
	passing := refused(err).code != CodeInternal || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if !passing {
		return err
	}
	slog.WarnContext(ctx, "request put off", "error", err)
	return web.Unavailable("Amazon or our store can't be reached now, and nothing has changed here; try again", retryAfter(err))
}

// When to come back after trouble for which nobody names a time.
const (
	soon  = 5 * time.Second
	later = 5 * time.Minute // it takes an operator, or Amazon, to end it
)

// retryAfter is when to come back after trouble: when the Keeper or Amazon says so, or soon.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*tokens.UnavailableError](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*drs.Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	if secretsTrouble(err) || is[*tokens.UnexpectedError](err) {
		return later
	}
	return soon
}
