// Package gateway is the door of a Lambda function: it says what a raw event is, and
// gives it to the handler that takes it.
//
// One function has several sources. The replenish function, say, is invoked by the IoT
// rule, by a queue and by the HTTP API, each with an event of its own shape. HTTP
// requests reach a [net/http.Handler], so that the same routes serve `restock up`.
package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/message"
)

// MaxEvent is the largest event that is read, in bytes: what Lambda takes for a
// synchronous invocation.
const MaxEvent = 6<<20 + 100

// reserve is kept of the function's time, so that a handler that runs into its
// deadline can still answer.
const reserve = 500 * time.Millisecond

// Function is a Lambda function: a handler for each kind of event that it takes, nil
// for one that it does not take. It implements lambda.Handler.
type Function struct {
	Name string

	HTTP     http.Handler                                                            // HTTP API, payload format 2.0
	Rule     func(ctx context.Context, e message.RuleEvent) error                    // AWS IoT rule
	Queue    func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) // SQS
	Topic    func(ctx context.Context, e events.SNSEvent) error                      // SNS
	Schedule func(ctx context.Context, raw []byte) (summary any, err error)          // Scheduler: the raw event
}

// Invoke implements lambda.Handler. A request over HTTP is always answered; any other
// event ends in an error if it must come again.
//
// Errors: [*EventError] for an event that the function does not take, [*PanicError],
// or that of the handler.
func (f *Function) Invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil { // the value may hold what the event held: it is not logged
			slog.ErrorContext(ctx, "handler panicked", "function", f.Name, "stack", string(debug.Stack()))
			answer, err = nil, new(PanicError)
		}
	}()
	if len(payload) > MaxEvent {
		return nil, f.refuse("this event is too large")
	}
	return f.dispatch(ctx, kindOf(payload), payload)
}

func (f *Function) dispatch(ctx context.Context, k kind, payload []byte) ([]byte, error) {
	switch {
	case k == httpRequest && f.HTTP != nil:
		return f.serve(ctx, payload)
	case k == ruleEvent && f.Rule != nil:
		return call(f, payload, k, func(e message.RuleEvent) (any, error) { return nil, f.Rule(ctx, e) })
	case k == queueBatch && f.Queue != nil:
		return call(f, payload, k, func(e events.SQSEvent) (any, error) { return f.Queue(ctx, e) })
	case k == topicMessage && f.Topic != nil:
		return call(f, payload, k, func(e events.SNSEvent) (any, error) { return nil, f.Topic(ctx, e) })
	case k == scheduled && f.Schedule != nil:
		return call(f, payload, k, func(raw json.RawMessage) (any, error) { return f.Schedule(ctx, raw) })
	case k == unknown:
		return nil, f.refuse("this event is nothing known")
	}
	return nil, f.refuse("this event is " + k.String())
}

// call decodes an event for its handler, and encodes what the handler returns.
func call[E any](f *Function, payload []byte, k kind, handle func(E) (any, error)) ([]byte, error) {
	var e E
	if json.Unmarshal(payload, &e) != nil { // its error may repeat what the event holds
		return nil, f.refuse("this event looks like " + k.String() + ", but has a malformed member")
	}
	result, err := handle(e)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
