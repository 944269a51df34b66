package replenish

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
)

func (h *Handler) replenish(w http.ResponseWriter, r *http.Request, reg *store.Registration) error {
	ctx := r.Context()
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	p, err := pressOf(r, reg.Thing, body)
	if err != nil {
		return err
	}
	c, err := h.claim(ctx, p)
	switch {
	case errors.Is(err, errIDReused):
		return web.New(web.CodeIDReused, "this id was used for another slot; send each press with an id of its own")
	case errors.Is(err, errUnderWay):
		return h.promise(ctx, w, p, waiting(err), nil)
	case err != nil:
		return unreachable(ctx, err)
	case c.done():
		return h.answer(ctx, w, replay(c.m.Result), nil)
	}
	v := h.order(ctx, c, reg, false)
	if !v.outcome.Final() {
		return h.promise(ctx, w, p, v, c)
	}
	c.close(p.result(v, h.now()), store.Done)
	ctx, cancel := settling(ctx)
	defer cancel()
	return h.answer(ctx, w, h.kept(ctx, c), v.cause)
}

// kept is keep for a caller who hears the result in any case. If it was not stored, the
// claim ends by itself, and whoever asks again makes DRS tell it again.
func (h *Handler) kept(ctx context.Context, c *claim) message.Result {
	r, err := h.keep(ctx, c)
	if err != nil {
		slog.WarnContext(ctx, "what came of a press could not be stored", "thing", c.m.Thing, "id", c.m.ID, "error", err)
	}
	return r
}

// pressOf reads a press and its ID: that of the body, of the header, or a random one.
func pressOf(r *http.Request, thing string, body []byte) (press, error) {
	p, err := readPress(thing, "", body)
	switch {
	case p.slot == "":
		return p, web.BadField("slot", slotRule)
	case err != nil:
		return p, web.BadField("id", idRule)
	}
	for _, key := range r.Header.Values("Idempotency-Key") {
		switch {
		case key == "":
		case !validID(key):
			return p, web.BadField("Idempotency-Key", "Idempotency-Key must be 1 to 128 printable ASCII characters")
		case p.id != "" && p.id != key:
			return p, web.BadField("id", "id and the header Idempotency-Key must be the same, or one of them absent")
		default:
			p.id = key
		}
	}
	if p.id == "" {
		p.id = rand.Text()
	}
	return p, nil
}

// answer answers with a result: 200 for a final one, else 202.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r message.Result, cause error) error {
	h.log(ctx, byHTTPS, r, cause)
	status := http.StatusOK
	if !r.Outcome.Final() {
		status = http.StatusAccepted
	}
	return web.WriteJSON(w, status, r)
}

// promise answers 202, after the message was put where it is tried again without the
// device. c is our claim on it, nil where another has it: that one may have died.
func (h *Handler) promise(ctx context.Context, w http.ResponseWriter, p press, v verdict, c *claim) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	r := p.result(v, h.now())
	state := store.Retrying
	queued := h.enqueue(ctx, p, c, r.At)
	if queued != nil {
		state = store.Claimed // and the claim over: nobody tries it on, so whoever comes next may
	}
	if c != nil {
		c.close(r, state)
		r = h.kept(ctx, c)
	}
	if queued != nil && !r.Outcome.Final() {
		slog.ErrorContext(ctx, "press could not be queued", "thing", p.thing, "id", p.id, "error", queued, "cause", v.cause)
		return web.Unavailable("the press could be neither done nor queued; send it again with the id "+p.id, retryAfter(v.cause))
	}
	return h.answer(ctx, w, r, v.cause)
}

// queuedFor is how long after a message was last queued, or tried out of the queue, it still
// counts as being there: longer than any gap between two tries, and than the time for which
// one that was broken off stays hidden. One without a try for so long lies among the dead
// letters, or in a queue so long that once more makes no difference.
const queuedFor = 2 * backoff.Longest

func inQueue(m *store.Message, now time.Time) bool {
	age := now.Sub(m.QueuedAt)
	return !m.QueuedAt.IsZero() && age < queuedFor && age > -queuedFor // not by a clock that was wrong
}

// enqueue puts a press into the retry queue, unless it is there. c is as for promise.
func (h *Handler) enqueue(ctx context.Context, p press, c *claim, now time.Time) error {
	if c == nil {
		return h.enqueueForOther(ctx, p, now)
	}
	h.adopt(ctx, c, now)
	if inQueue(c.m, now) {
		return nil
	}
	err := h.Retry.Enqueue(ctx, p.event(now))
	if err == nil {
		c.m.QueuedAt = now
	}
	return err
}

// adopt takes over what a duplicate has noted on our claim: that it is queued, not that it is
// about to be.
func (h *Handler) adopt(ctx context.Context, c *claim, now time.Time) {
	stored := &store.Message{Thing: c.m.Thing, ID: c.m.ID}
	err := h.Store.Get(ctx, stored) // without it there may be one more in the queue
	if err == nil && c.same(stored) && now.Sub(stored.QueuedAt) < queuedFor-claimTime {
		c.m.QueuedAt = stored.QueuedAt
	}
}

// enqueueForOther is enqueue for a press that somebody else has claimed. Of many at once one
// puts it in: whoever has noted first that he will. That note is good for as long as a
// claim, so that one who dies in between makes no false promise for hours.
func (h *Handler) enqueueForOther(ctx context.Context, p press, now time.Time) error {
	noted, err := h.noteQueued(ctx, p, func(m *store.Message) bool {
		if m.State == store.Done || inQueue(m, now) {
			return false
		}
		m.QueuedAt = now.Add(claimTime - queuedFor)
		return true
	})
	if err != nil || !noted {
		return err
	}
	err = h.Retry.Enqueue(ctx, p.event(now))
	_, noteErr := h.noteQueued(ctx, p, func(m *store.Message) bool {
		m.QueuedAt = now
		if err != nil {
			m.QueuedAt = time.Time{}
		}
		return m.State != store.Done
	})
	if noteErr != nil { // the first note ends by itself, and then it may be queued once more
		slog.WarnContext(ctx, "noting that a press is queued", "thing", p.thing, "id", p.id, "error", noteErr)
	}
	return err
}

// noteQueued changes a stored message, and again the newest one if somebody else has written
// it meanwhile. change says whether there is anything to write, and so does noteQueued.
func (h *Handler) noteQueued(ctx context.Context, p press, change func(*store.Message) bool) (bool, error) {
	err := store.ErrConflict
	for try := 0; try < settleTries && errors.Is(err, store.ErrConflict); try++ {
		m := &store.Message{Thing: p.thing, ID: p.id}
		if err := h.Store.Get(ctx, m); err != nil {
			return false, fmt.Errorf("reading message of %s: %w", p.thing, err)
		}
		if !change(m) {
			return false, nil
		}
		err = h.Store.Put(ctx, m)
	}
	if err != nil {
		return false, fmt.Errorf("noting that a message of %s is queued: %w", p.thing, err)
	}
	return true, nil
}

// event is what a press is in the retry queue.
func (p press) event(at time.Time) message.RuleEvent {
	data, _ := json.Marshal(message.Replenish{Slot: p.slot, ID: p.id}) // two texts always marshal
	return message.RuleEvent{
		Data: data, Thing: p.thing, Action: message.ActionReplenish, ClientID: p.thing,
		Principal: "device-key", TraceID: p.id, ReceivedAt: at.UnixMilli(),
	}
}
