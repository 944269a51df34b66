package refresh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
)

// Task is what the schedule sends.
const Task = `{"task":"refresh"}`

// maxBody is far more than any event of ours has, in bytes.
const maxBody = 1 << 10

// ShardBody is the queue message that asks for the sweep of a shard.
func ShardBody(shard string) string { return `{"shard":"` + shard + `"}` }

// Schedule sweeps every shard, or fans the work out, for raw, which must be [Task].
//
// The error joins what went wrong with single devices; they are not forgotten, and
// there is no need to call again before the next time.
func (h *Handler) Schedule(ctx context.Context, raw []byte) (Summary, error) {
	if compact(raw) != Task {
		return Summary{}, fmt.Errorf("the schedule's event must be %s", Task)
	}
	if h.Fanout != nil {
		return h.fanOut(ctx)
	}
	return h.Sweep(ctx, h.allShards()...)
}

// Queue sweeps the shards that the messages name. A message that names none, and one for
// whose sweep there was no time or no store, is reported as failed: it comes again,
// and goes to the dead letters in the end. One of which a device failed is not: that
// device has its own next attempt. The error is always nil.
func (h *Handler) Queue(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	known := map[string]string{}
	for _, shard := range h.allShards() {
		known[ShardBody(shard)] = shard
	}
	cutoff, done := h.cutoff(ctx), map[string]bool{}
	for _, m := range event.Records {
		shard, ok := known[compact([]byte(m.Body))]
		switch {
		case !ok:
			slog.ErrorContext(ctx, "a message of the refresh queue must be "+ShardBody("0"),
				"highest_shard", h.shards()-1, "message_id", m.MessageId, "bytes", len(m.Body))
			h.count("RefreshBadMessage", 1)
		case !done[shard]:
			sum, err := h.sweep(ctx, cutoff, shard)
			done[shard] = sum.Skipped == 0 && !is[*ShardError](err)
		}
		if !done[shard] {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return response, nil
}

// fanOut sends a message for each shard that has something due.
func (h *Handler) fanOut(ctx context.Context) (Summary, error) {
	var (
		sum    Summary
		bodies []string
		errs   []error
	)
	now := h.now()
	for _, shard := range h.allShards() {
		things, err := h.Store.Due(ctx, shard, now, 1)
		switch {
		case err != nil:
			errs = append(errs, &ShardError{shard, err})
		case len(things) > 0:
			bodies = append(bodies, ShardBody(shard))
		}
	}
	sum.Sent = len(bodies)
	if len(bodies) > 0 {
		if err := h.Fanout.Send(ctx, bodies); err != nil {
			errs = append(errs, fmt.Errorf("sending shards to the refresh queue: %w", err))
		}
	}
	h.count("RefreshShards", float64(len(bodies)))
	if len(bodies) == 0 && len(errs) == 0 { // else the sweeps tell
		h.oldestDue(0)
	}
	return sum, errors.Join(errs...)
}

func (h *Handler) allShards() []string {
	all := make([]string, h.shards())
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

// compact returns JSON without its white space, "" for anything else.
func compact(raw []byte) string {
	var b bytes.Buffer
	if len(raw) > maxBody || json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}
