package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/message"
)

const (
	// retryDelaySeconds is the pause before a message is tried again: what made it fail
	// a moment ago is seldom over sooner.
	retryDelaySeconds = 20

	maxBatch = 10 // messages, in one call of SQS
)

func (a *AWS) sqs() *sqs.Client {
	return sqs.NewFromConfig(a.sdk, func(o *sqs.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("SQS"))
	})
}

// Retry is the queue of messages that are tried again.
type Retry struct {
	send func(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	url  string
}

// Retry returns the queue that the configuration names.
func (a *AWS) Retry() *Retry { return &Retry{a.sqs().SendMessage, a.Config.RetryQueueURL} }

// Enqueue puts a message into the queue, to be tried again after a short while.
func (q *Retry) Enqueue(ctx context.Context, e message.RuleEvent) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding a message of %s: %w", e.Thing, err)
	}
	_, err = q.send(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(q.url), MessageBody: aws.String(string(body)), DelaySeconds: retryDelaySeconds,
	})
	if err != nil {
		return fmt.Errorf("queueing a message of %s: %w", e.Thing, err)
	}
	return nil
}

// Fanout is the queue of shards to sweep.
type Fanout struct {
	send func(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	url  string
}

// Fanout returns the queue that the configuration names.
func (a *AWS) Fanout() *Fanout { return &Fanout{a.sqs().SendMessageBatch, a.Config.RefreshQueueURL} }

// Send sends each body as one message. On an error, any of them may have been sent.
func (q *Fanout) Send(ctx context.Context, bodies []string) error {
	for batch := range slices.Chunk(bodies, maxBatch) {
		if err := q.sendBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (q *Fanout) sendBatch(ctx context.Context, bodies []string) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i, body := range bodies {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(body)}
	}
	out, err := q.send(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.url), Entries: entries})
	switch {
	case err != nil:
		return fmt.Errorf("sending %d messages: %w", len(bodies), err)
	case len(out.Failed) > 0:
		return fmt.Errorf("sending %d messages: SQS refused %d of them (%.100s)",
			len(bodies), len(out.Failed), aws.ToString(out.Failed[0].Code))
	}
	return nil
}
