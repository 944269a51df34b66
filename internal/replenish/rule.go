package replenish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

// Ways by which a press comes, for counts and the log.
const (
	byMQTT  = "mqtt"
	byHTTPS = "https"
	byQueue = "queue"
)

// RetryError says that a message must come again: what it asked for is not done, or its
// device has not heard of it. Nothing about it is lost by then.
type RetryError struct {
	Thing, Action string
	ID            string // of the message, where it has one
	Err           error
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("%s of %s must come again: %v", e.Action, e.Thing, e.Err)
}

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// Rule does what a device asks for over MQTT. The event is what [message.RuleSQL] makes
// of its message.
//
// Errors: [*RetryError] exactly when the message must come again. A message that can't be
// done at all is refused, which is told to the device where that is possible, and
// counted and logged in any case.
func (h *Handler) Rule(ctx context.Context, e message.RuleEvent) error {
	return h.rule(ctx, e, delivery{by: byMQTT, at: h.receivedAt(e)})
}

// delivery is how a message has come this time.
type delivery struct {
	by   string
	at   received // when it came to us first
	last bool     // out of the queue for the last time: next come the dead letters
}

func (h *Handler) rule(ctx context.Context, e message.RuleEvent, d delivery) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err := thing.Parse(e.Thing); err != nil {
		h.refuse(ctx, e, "thing", err)
		return nil
	}
	if e.ClientID != e.Thing { // the policy of the devices sees to it; a rule for other topics might not
		h.refuse(ctx, e, "client_id", errors.New("client ID is not the thing"))
		return nil
	}
	return h.act(ctx, e, d)
}

func (h *Handler) act(ctx context.Context, e message.RuleEvent, d delivery) error {
	var do func(context.Context, message.RuleEvent) error
	switch e.Action {
	case message.ActionReplenish:
		return h.press(ctx, e, d)
	case message.ActionSlotStatus, message.ActionDeviceStatus:
		do = func(ctx context.Context, e message.RuleEvent) error { return h.reported(ctx, e, d.at) }
	case message.ActionRegistration:
		do = h.tellRegistration
	case message.ActionPairing:
		do = h.startPairing
	default:
		h.refuse(ctx, e, "action", errors.New("there is no such action"))
		return nil
	}
	if h.older(d.at, MaxAgeOf(e.Action)) {
		h.refuse(ctx, e, "too_old", errTooOld)
		return nil
	}
	return do(ctx, e)
}

// refuse counts and logs a message that nothing is done for. The payload is not logged.
func (h *Handler) refuse(ctx context.Context, e message.RuleEvent, reason string, err error) {
	action := e.Action
	switch action {
	case message.ActionReplenish, message.ActionSlotStatus, message.ActionDeviceStatus,
		message.ActionRegistration, message.ActionPairing:
	default:
		action = "unknown" // whatever a device makes up is no dimension of a count
	}
	h.count("MessageRefused", "action", action, "reason", reason)
	slog.WarnContext(ctx, "message refused", "reason", reason, "thing", brief(e.Thing), "client_id", brief(e.ClientID),
		"action", brief(e.Action), "principal", brief(e.Principal), "trace_id", brief(e.TraceID), "error", err)
}

func brief(s string) string { return fmt.Sprintf("%.128s", s) }

// press handles a replenish that came as a message.
func (h *Handler) press(ctx context.Context, e message.RuleEvent, d delivery) error {
	p, err := readPress(e.Thing, messageID(e), e.Data)
	if err != nil {
		h.refuse(ctx, e, "payload", err)
		return h.tell(ctx, p, d.by, p.result(verdict{outcome: message.Failed, code: CodeBadMessage}, h.now()))
	}
	c, reg, err := h.begin(ctx, p)
	switch {
	case errors.Is(err, errIDReused):
		return h.tell(ctx, p, d.by, p.result(verdict{outcome: message.Failed, code: CodeIDReused}, h.now()))
	case c == nil:
		return h.putOff(ctx, p, d.by, err)
	case c.done():
		return h.tell(ctx, p, d.by, replay(c.m.Result))
	case err != nil: // the claim is ours, but not the registration
		return h.settle(ctx, p, c, refused(err), d)
	}
	return h.settle(ctx, p, c, h.order(ctx, c, reg, h.tooOld(ctx, p, d.at)), d)
}

// begin claims the message and reads the registration, at the same time. A claim can
// come with an error: that of the registration.
func (h *Handler) begin(ctx context.Context, p press) (c *claim, reg *store.Registration, err error) {
	var (
		wait   sync.WaitGroup
		regErr error
	)
	wait.Go(func() { reg, regErr = h.registration(ctx, p.thing) })
	c, err = h.claim(ctx, p)
	wait.Wait()
	if err == nil {
		err = regErr
	}
	return c, reg, err
}

// settle stores what came of a claim and tells the device, at the same time.
func (h *Handler) settle(ctx context.Context, p press, c *claim, v verdict, d delivery) error {
	state := store.Done
	if !v.outcome.Final() {
		state = store.Retrying
	}
	r := p.result(v, h.now())
	c.m.QueuedAt = r.At // if it isn't final, it is handed back to where it came from
	if d.last {
		c.m.QueuedAt = time.Time{} // a device that asks again puts it in anew
	}
	c.close(r, state)
	h.log(ctx, d.by, r, v.cause)

	ctx, cancel := settling(ctx)
	defer cancel()
	var (
		wait         sync.WaitGroup
		stored, told error
	)
	wait.Go(func() { _, stored = h.keep(ctx, c) })
	if v.outcome.Final() || d.by != byQueue || !c.promised { // out of the queue it comes often
		told = h.publish(ctx, r)
	}
	wait.Wait()
	err := errors.Join(stored, told)
	if !v.outcome.Final() {
		err = errors.Join(v.cause, err)
	}
	return p.again(err)
}

// putOff is for a press that could not be claimed now.
func (h *Handler) putOff(ctx context.Context, p press, by string, err error) error {
	r := p.result(waiting(err), h.now())
	h.log(ctx, by, r, err)
	if by != byQueue {
		ctx, cancel := settling(ctx)
		defer cancel()
		err = errors.Join(err, h.publish(ctx, r))
	}
	return p.again(err)
}

// waiting is the verdict on a press that could not be claimed.
func waiting(err error) verdict {
	if errors.Is(err, errUnderWay) {
		return verdict{outcome: message.Retrying, code: CodeUnderWay, cause: err}
	}
	return refused(err)
}

// tell tells a device of a result that needs no storing.
func (h *Handler) tell(ctx context.Context, p press, by string, r message.Result) error {
	h.log(ctx, by, r, nil)
	ctx, cancel := settling(ctx)
	defer cancel()
	return p.again(h.publish(ctx, r))
}

func (h *Handler) publish(ctx context.Context, r message.Result) error {
	return h.Publisher.Publish(ctx, r.Thing, message.EventResult, r)
}

// again returns a RetryError of p, nil for nil.
func (p press) again(err error) error {
	if err == nil {
		return nil
	}
	return &RetryError{Thing: p.thing, Action: message.ActionReplenish, ID: p.id, Err: err}
}

// messageID is the ID of a message whose device has given none: its trace ID. A rule that
// has none to give gets one that is the same when the event comes again.
func messageID(e message.RuleEvent) string {
	if validID(e.TraceID) && e.TraceID != "Undefined" {
		return e.TraceID
	}
	sum := sha256.New()
	for _, part := range []string{e.Thing, strconv.FormatInt(e.ReceivedAt, 10), string(e.Data)} {
		_, _ = sum.Write([]byte(part + "\x00")) // a hash never fails
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
