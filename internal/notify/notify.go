// Package notify takes what DRS notifies: what became of orders, subscriptions and
// registrations. It stores it, and tells the device.
//
// SNS delivers at least once and in any order. So each notification is worked on such
// that doing it again changes nothing, and is marked as seen afterwards. Of two about the
// same thing the later notificationTime wins, whichever comes first.
//
//	OrderPlaced, ItemShipped, OrderCancelled   the order; told as order
//	SubscriptionChanged                        the registration's slots; told as subscription
//	DeviceDeregistered                         the end of the registration; told as registration, and on the bus
//	DeviceRegistered                           nothing: the registration is made by the sign-in
//	any other                                  counted
//
// Counted is GrantEnded, by reason, for a registration that Amazon has ended, and for every
// notification one metric, Notification, by type and by outcome:
//
//	done             stored and told
//	duplicate        seen before
//	stale            something newer is known
//	in_doubt         an end of the registration that may be about the one before: the present one is
//	                 refreshed now, which ends it if its grant is gone
//	unknown_device   no registration of ours: another stack's, or one that is just being made,
//	                 which reads its slots itself
//	foreign_client   for another LWA client: another stack's
//	bad_device       a device whose name can't be one of ours
//	unknown_type     a type that Amazon has added since
//	malformed        can't be read; returned as an error, so that it ends among the dead letters
//	failed           returned as an error, to be delivered again
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs"
)

// Store is what the handler needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Publisher tells a device of an event, one of message.Event….
type Publisher interface {
	Publish(ctx context.Context, thing, event string, payload any) error
}

// Grants hears of grants that have ended, at least once of each.
type Grants interface {
	GrantEnded(ctx context.Context, r *store.Registration) error
}

// Metrics counts. Dimensions are names and values in turn.
type Metrics interface {
	Count(name string, n float64, dimensions ...string)
}

// Handler is the notify function. Store and Publisher are required. It is safe for
// concurrent use.
type Handler struct {
	Store     Store
	Publisher Publisher
	Grants    Grants           // nil: nobody but the device hears of a registration that has ended
	Metrics   Metrics          // nil: nobody counts
	Now       func() time.Time // nil: time.Now

	// ClientIDs are LWA clients whose notifications are taken, besides the one that a
	// device is registered with.
	ClientIDs []string

	// Shards of the due index, as the Keeper has them; 0: 16.
	Shards int
}

const defaultShards = 16

// notificationTTL is how long a notification is remembered: longer than SNS and the
// failure queue deliver it.
const notificationTTL = 7 * 24 * time.Hour

// tries bounds how often a record is tried to be written while others write it.
const tries = 5

// MalformedError is a notification that can't be read. It repeats nothing of it.
type MalformedError struct{ Err error }

func (e *MalformedError) Error() string { return "notification is malformed: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error { return e.Err }

// Handle takes an SNS event. Its notifications are worked on one by one, whatever comes
// of the others.
//
// Errors: those of [Handler.Notification], joined.
func (h *Handler) Handle(ctx context.Context, e events.SNSEvent) error {
	var errs []error
	for i := range e.Records {
		errs = append(errs, h.Notification(ctx, []byte(e.Records[i].SNS.Message)))
	}
	return errors.Join(errs...)
}

// Notification takes the text of one SNS message.
//
// Errors: [*MalformedError], or trouble with the store or the publisher; then the same
// notification must be delivered again.
func (h *Handler) Notification(ctx context.Context, body []byte) error {
	n, err := drs.ParseNotification(body)
	if err != nil {
		h.count("unreadable", "malformed")
		slog.ErrorContext(ctx, "notification can't be read", "bytes", len(body), "error", err)
		return &MalformedError{err}
	}
	outcome, err := h.take(ctx, n)
	h.count(kind(n.Type), outcome)
	if err != nil {
		return fmt.Errorf("taking a %s: %w", kind(n.Type), err)
	}
	level := slog.LevelInfo
	if outcome != done && outcome != duplicate && outcome != unknownDevice { // the last is part of every first pairing
		level = slog.LevelWarn
	}
	slog.Log(ctx, level, "notification", "type", kind(n.Type), "outcome", outcome, "id", n.ID,
		"device_model", n.Model, "serial", n.Serial, "at", n.Time)
	return nil
}

// Outcomes of a notification, for the count.
const (
	done          = "done"
	duplicate     = "duplicate"
	stale         = "stale"
	doubtful      = "in_doubt"
	unknownDevice = "unknown_device"
	foreignClient = "foreign_client"
	badDevice     = "bad_device"
	unknownType   = "unknown_type"
	failed        = "failed"
)

// kind is a type for counts and the log: one of a few.
func kind(t drs.NotificationType) string {
	if _, known := handlers[t]; known {
		return string(t)
	}
	return "other"
}

// notice is a notification about a device of ours.
type notice struct {
	*drs.Notification
	at  time.Time // when it was sent, or if it doesn't say, when it came
	reg *store.Registration
}

// handlers say what a notification of each known type is for. They return the outcome,
// and can be called again for the same one.
var handlers = map[drs.NotificationType]func(*Handler, context.Context, *notice) (string, error){
	drs.DeviceRegistered:    func(*Handler, context.Context, *notice) (string, error) { return done, nil },
	drs.DeviceDeregistered:  (*Handler).deregistered,
	drs.SubscriptionChanged: (*Handler).subscription,
	drs.OrderPlaced:         (*Handler).order,
	drs.ItemShipped:         (*Handler).order,
	drs.OrderCancelled:      (*Handler).order,
}

// take works on a notification unless it is seen or not for us, and marks it as seen.
func (h *Handler) take(ctx context.Context, n *drs.Notification) (string, error) {
	handle, known := handlers[n.Type]
	if !known {
		return unknownType, nil
	}
	d, err := thing.New(n.Model, n.Serial)
	if err != nil {
		return badDevice, nil //nolint:nilerr // it can't be a device of ours, and never will
	}
	seen, reg, err := h.look(ctx, d.Name(), n.ID)
	switch {
	case err != nil:
		return failed, err
	case seen.Version > 0:
		return duplicate, nil
	case reg.Version == 0:
		return unknownDevice, nil
	case h.foreign(n, reg):
		return foreignClient, nil
	}
	outcome, err := handle(h, ctx, &notice{Notification: n, at: h.sent(n), reg: reg})
	if err != nil {
		return failed, err
	}
	h.mark(ctx, seen)
	return outcome, nil
}

// look reads, at the same time, whether a notification was seen, and the registration
// of its thing. A record with version 0 is not there.
func (h *Handler) look(ctx context.Context, name, id string) (*store.Notification, *store.Registration, error) {
	seen, reg := &store.Notification{Thing: name, ID: id}, &store.Registration{Thing: name}
	var (
		wait            sync.WaitGroup
		seenErr, regErr error
	)
	if id != "" {
		wait.Go(func() { seenErr = h.get(ctx, seen) })
	}
	regErr = h.get(ctx, reg)
	wait.Wait()
	if err := errors.Join(seenErr, regErr); err != nil {
		return nil, nil, fmt.Errorf("reading what is known of %s: %w", name, err)
	}
	return seen, reg, nil
}

// get reads a record, or leaves it at version 0 where there is none.
func (h *Handler) get(ctx context.Context, rec store.Record) error {
	err := h.Store.Get(ctx, rec)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// foreign reports whether a notification is for another client than the device is
// registered with. One that names no client is ours, as far as is known.
func (h *Handler) foreign(n *drs.Notification, reg *store.Registration) bool {
	if n.ClientID == "" || n.ClientID == reg.ClientID {
		return false
	}
	for _, id := range h.ClientIDs {
		if n.ClientID == id {
			return false
		}
	}
	return true
}

// mark marks a notification as seen. Without the mark it would be worked on again,
// should it come again, and change nothing.
func (h *Handler) mark(ctx context.Context, seen *store.Notification) {
	if seen.ID == "" {
		return
	}
	seen.ExpiresAt = h.now().Add(notificationTTL)
	if err := h.Store.Put(ctx, seen); err != nil && !errors.Is(err, store.ErrConflict) {
		slog.WarnContext(ctx, "marking a notification as seen", "thing", seen.Thing, "id", seen.ID, "error", err)
	}
}

func (h *Handler) sent(n *drs.Notification) time.Time {
	if n.Time.IsZero() {
		return h.now()
	}
	return n.Time.UTC().Truncate(time.Millisecond)
}

// now is the time as records keep it: to the millisecond, in UTC.
func (h *Handler) now() time.Time {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	return now().UTC().Truncate(time.Millisecond)
}

func (h *Handler) count(kind, outcome string) {
	if h.Metrics != nil {
		h.Metrics.Count("Notification", 1, "type", kind, "outcome", outcome)
	}
}
