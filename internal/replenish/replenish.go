// Package replenish does what a device asks for: above all, it orders.
//
// One [Handler] takes what comes over HTTPS (Routes), over MQTT (Rule) and out of the
// retry queue (Queue). All three share one order core, which spends a customer's money
// and therefore keeps four rules.
//
// A message is claimed before anything is done for it, by a conditional write under its
// ID. Whoever else comes with the same ID gets the first one's result, or waits for it.
// A claim ends by itself, so that one left behind by a function that died delays its
// message but doesn't lose it.
//
// The claim already says that DRS is about to be called. So a claim that was left behind
// counts as one that may have ordered, and no write is needed between claim and call.
//
// After a lost answer the outcome is unknown, not failed. The same call is made again
// only within [Handler.Window], while the open order, if there is one, still locks the
// slot: then ORDER_INPROGRESS means that the first call worked. Before that, and after
// the window, the notifications of DRS are looked at (package placed). If they say nothing
// either, the message ends as failed, [CodeOutcomeUnknown], and no second order is made.
//
// What isn't final is promised: Rule and Queue return an error, so that the message comes
// again, and over HTTPS it was put into the retry queue before the device hears 202.
//
// # Outcomes
//
//	STANDARD_ORDER_PLACED          ordered
//	TEST_ORDER_PLACED              test_ordered
//	ORDER_INPROGRESS               in_progress; ordered, if an earlier call of this message may have ordered
//	any other code in a 200        failed: DRS took it and money may be spent, so it is not repeated, but
//	                               only a code that is known is reported as an order; counted for an alarm
//	404; "is unsubscribed."        unknown_slot; not_subscribed
//	"Invalid token"                refreshed once, repeated once; then failed, INVALID_TOKEN
//	other 4xx                      failed, DRS_REFUSED
//	429, 5xx, no answer            retrying
//	LWA, the store out of reach    retrying
//	our own secrets don't work     retrying, counted for an alarm
//	LWA answers unexpectedly       failed, LWA_UNEXPECTED
//	no or ended registration       not_registered, without asking anybody
//	the grant has ended            grant_ended, with the reason as detail code
//	another customer by now        failed, PAIRED_ANEW
//
// A press that came as a message [MaxAge] ago or earlier, as a dead letter put back may, is
// failed, [CodeTooOld]; with its outcome unknown, [CodeOutcomeUnknown]. A final result
// that is stored is told instead.
//
// Where DRS refuses a message that an earlier call may have ordered, the refusal is the
// outcome, and the detail code says [CodeOutcomeUnknown].
//
// # Counts
//
//	Press              outcome, by (mqtt, https, queue)   every press that was answered or put off; malformed is one
//	                                                      that failed with BAD_MESSAGE or ID_REUSED
//	PressReplayed      by                                 duplicates that got the first result
//	OutcomeUnknown                                        calls to DRS whose answer got lost
//	UnknownDetailCode                                     200 with a detail code that isn't known
//	SecretsTrouble     cause (credentials, sealed,        for the operator, never the device
//	                   unreadable)
//	Report             action, outcome                    slot and device status
//	MessageRefused     action, reason                     messages whose sender could not be told, or need not
//	QueueMalformed                                        bodies in the retry queue that are no message
//	RetryAgeSeconds                                       how long ago a message was received that must still come again
package replenish

import (
	"context"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Store is what the handler needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Keeper hands out access tokens, as [tokens.Keeper] does.
//
// [tokens.Keeper]: https://pkg.go.dev/github.com/restock-dev/restock/internal/tokens#Keeper
type Keeper interface {
	AccessToken(ctx context.Context, r *store.Registration) (lwa.Secret, error)
	Renew(ctx context.Context, r *store.Registration, rejected lwa.Secret) (lwa.Secret, error)
}

// DRS are the calls of [drs.Client] that devices ask for.
type DRS interface {
	Replenish(ctx context.Context, accessToken, slot string) (*drs.ReplenishResult, error)
	SlotStatus(ctx context.Context, accessToken, slot string, s drs.SlotStatus) error
	DeviceStatus(ctx context.Context, accessToken string, lastActive time.Time) error
	Deregister(ctx context.Context, accessToken string) error
}

// Publisher tells a device of an event, one of message.Event….
type Publisher interface {
	Publish(ctx context.Context, thing, event string, payload any) error
}

// Pairings starts a pairing for a thing that asks over MQTT.
type Pairings interface {
	StartOverMQTT(ctx context.Context, thing string) (message.Pairing, error)
}

// Retry is the queue of messages that are tried again without the device. What is put
// in comes back to [Handler.Queue] or [Handler.Rule].
type Retry interface {
	Enqueue(ctx context.Context, e message.RuleEvent) error
}

// Gaps lets a message that came out of the queue, under a receipt, come again after a gap
// that its handler chooses.
type Gaps interface {
	Delay(ctx context.Context, receipt string, gap time.Duration) error
}

// Metrics counts, and measures durations. Dimensions are names and values in turn.
type Metrics interface {
	Count(name string, n float64, dimensions ...string)
	Seconds(name string, d time.Duration, dimensions ...string)
}

// Handler is the replenish function. All fields up to Retry are required. It is safe for
// concurrent use.
type Handler struct {
	Store     Store
	Keeper    Keeper
	DRS       DRS
	Publisher Publisher
	Pairings  Pairings
	Retry     Retry

	Gaps    Gaps             // nil: the queue knows its gaps itself
	Metrics Metrics          // nil: nobody measures
	Now     func() time.Time // nil: time.Now

	// Wait is how long a duplicate waits for the first one's result; 0: 5 s.
	Wait time.Duration
	// Window is how long after a call whose answer got lost it may be made again; 0: 4 h.
	// It must be shorter than any delivery: that frees the slot for a second order.
	Window time.Duration
}

const (
	defaultWait   = 5 * time.Second
	defaultWindow = 4 * time.Hour

	// A message is worked on for workTime at most, and then there is settleTime to store
	// and tell what came of it: together less than the 29 s that API Gateway and the
	// function have. A claim lasts longer than both.
	workTime   = 22 * time.Second
	settleTime = 4 * time.Second
	claimTime  = 45 * time.Second

	// callTime is what a call to DRS may take. With less than minCallTime left none is
	// begun: its answer would probably be lost.
	callTime    = 10 * time.Second
	minCallTime = 2 * time.Second
)

// now is the time as records keep it: to the millisecond, in UTC.
func (h *Handler) now() time.Time {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	return now().UTC().Truncate(time.Millisecond)
}

func (h *Handler) count(name string, dimensions ...string) {
	if h.Metrics != nil {
		h.Metrics.Count(name, 1, dimensions...)
	}
}

// bounded gives ctx the time of one message, and leaves enough of the function's to
// settle it.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, timeFor(ctx))
}

// detached is bounded for a caller who may hang up: what was begun for him is finished,
// since an order that is broken off has an unknown outcome.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), timeFor(ctx))
}

func timeFor(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(workTime, time.Until(deadline)-settleTime)
	}
	return workTime
}

// settling gives the time to store and tell what has happened, also after ctx is over.
func settling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
