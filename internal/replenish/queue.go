package replenish

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
)

// maxQueueBody is the largest body that SQS takes, in bytes.
const maxQueueBody = 1 << 20

// maxParallel is how many messages of a batch are worked on at the same time.
const maxParallel = 10

// Queue works on a batch of the retry queue. A body is a [message.RuleEvent], as it was
// put in by us; the record that Lambda makes of an event on which the function has
// failed; or what the IoT rule's error action makes of a message for which the function
// could not be invoked.
//
// The messages that must come again are listed in the response, after the gaps of package
// backoff. So are bodies that are none of these: they end among the dead letters, within
// minutes, where a person can look at them. The error is always nil, since it would bring
// back the whole batch.
func (h *Handler) Queue(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	failed := make([]bool, len(e.Records))
	var all errgroup.Group
	all.SetLimit(maxParallel)
	for i := range e.Records {
		all.Go(func() error {
			failed[i] = h.queued(ctx, &e.Records[i]) != nil
			return nil
		})
	}
	_ = all.Wait() // what failed is in failed
	var response events.SQSEventResponse
	for i, again := range failed {
		if again {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: e.Records[i].MessageId})
		}
	}
	return response, nil
}

func (h *Handler) queued(ctx context.Context, m *events.SQSMessage) error {
	e, at, err := readQueued(m.Body)
	if err != nil {
		h.count("QueueMalformed")
		slog.ErrorContext(ctx, "queued message can't be read, it goes to the dead letters",
			"message_id", brief(m.MessageId), "bytes", len(m.Body), "error", err)
		h.delay(ctx, m, backoff.First) // more time does not help it
		return err
	}
	n := receives(m)
	if time.Time(at).IsZero() {
		err = h.unstamped(ctx, e, m)
	} else {
		err = h.safely(ctx, e, delivery{by: byQueue, at: at, last: n >= backoff.Tries})
	}
	if err != nil {
		h.waiting(at)
		slog.WarnContext(ctx, "queued message must come again", "action", e.Action, "thing", e.Thing, "receive_count", n, "error", err)
		h.delay(ctx, m, backoff.Gap(n))
	}
	return err
}

// waiting measures how long a device has been promised an outcome. The queue's own age of
// its oldest message leaves out what was received a few times already.
func (h *Handler) waiting(at received) {
	if t := time.Time(at); h.Metrics != nil && !t.IsZero() {
		h.Metrics.Seconds("RetryAgeSeconds", max(0, h.now().Sub(t)))
	}
}

// receives is how often a message has come out of the queue, with this time.
func receives(m *events.SQSMessage) int {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		return 1 // it always says
	}
	return n
}

// delayTime bounds what it takes to have a message come again after a gap.
const delayTime = 2 * time.Second

// delay has a message come again after a gap. Where that fails it comes after the queue's
// own visibility timeout, and is tried as often.
func (h *Handler) delay(ctx context.Context, m *events.SQSMessage, gap time.Duration) {
	if h.Gaps == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), delayTime)
	defer cancel()
	if err := h.Gaps.Delay(ctx, m.ReceiptHandle, gap); err != nil {
		slog.WarnContext(ctx, "message comes again after the queue's own time", "message_id", brief(m.MessageId), "error", err)
	}
}

// unstamped works on a message that doesn't say when it was received. When it was put into
// the queue tells that, but not for long: a dead letter put back counts as new. So only the
// first delivery is worked on like this. What must come again is put in anew, with its time.
func (h *Handler) unstamped(ctx context.Context, e message.RuleEvent, m *events.SQSMessage) error {
	sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	first := m.Attributes["ApproximateReceiveCount"] == "1"
	switch {
	case err == nil && sent > 0:
		e.ReceivedAt = sent
	case first:
		e.ReceivedAt = h.now().UnixMilli()
	default:
		return h.safely(ctx, e, delivery{by: byQueue, last: receives(m) >= backoff.Tries})
	}
	if first && h.safely(ctx, e, delivery{by: byQueue, at: h.receivedAt(e)}) == nil {
		return nil
	}
	ctx, cancel := settling(ctx)
	defer cancel()
	return h.Retry.Enqueue(ctx, e)
}

// safely is rule for one message of many: a fault in it should not take the others along.
func (h *Handler) safely(ctx context.Context, e message.RuleEvent, d delivery) (err error) {
	defer func() {
		if p := recover(); p != nil { // the value may hold what the message held: it is not logged
			err = &RetryError{Thing: e.Thing, Action: e.Action, Err: errors.New("handler panicked")}
		}
	}()
	return h.rule(ctx, e, d)
}

// errNoMessage repeats nothing of the body.
var errNoMessage = errors.New("it is neither a rule event nor a record of a failed one")

// queuedBody has the members of all three kinds of body.
type queuedBody struct {
	message.RuleEvent

	// The record of a failed invocation.
	// Source: docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
	Request *message.RuleEvent `json:"requestPayload"`
	Failed  string             `json:"timestamp"` // RFC 3339: when the event was given up

	// The message of an error action.
	// Source: docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
	Topic    string `json:"topic"`
	Trace    string `json:"cloudwatchTraceId"`
	Client   string `json:"clientId"`
	Original []byte `json:"base64OriginalPayload"`
}

// readQueued reads a body, and when the message in it was received: zero where it doesn't say.
func readQueued(body string) (message.RuleEvent, received, error) {
	var b queuedBody
	if len(body) > maxQueueBody || json.Unmarshal([]byte(body), &b) != nil {
		return message.RuleEvent{}, received{}, errNoMessage
	}
	e := b.RuleEvent
	var at time.Time
	switch {
	case b.Request != nil:
		e = *b.Request
		at, _ = time.Parse(time.RFC3339, b.Failed) // zero without one
	case b.Topic != "":
		e = message.RuleEvent{Data: b.Original, ClientID: b.Client, TraceID: b.Trace}
		e.Thing, e.Action, _ = message.ParseUp(withoutIngest(b.Topic))
	}
	if e.Thing == "" || e.Action == "" {
		return message.RuleEvent{}, received{}, errNoMessage
	}
	if e.ReceivedAt > 0 {
		at = time.UnixMilli(e.ReceivedAt)
	}
	return e, received(at), nil
}

// withoutIngest takes the Basic Ingest prefix, $aws/rules/<rule>/, off a topic.
func withoutIngest(topic string) string {
	if rest, ok := strings.CutPrefix(topic, "$aws/rules/"); ok {
		_, topic, _ = strings.Cut(rest, "/")
	}
	return topic
}
