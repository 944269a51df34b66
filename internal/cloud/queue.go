package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
)

const maxBatch = 10 // messages, in one call of SQS

func (a *AWS) sqs() *sqs.Client {
	return sqs.NewFromConfig(a.sdk, func(o *sqs.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("SQS"))
	})
}

// Retry is the queue of messages that are tried again.
type Retry struct {
	send func(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	hide func(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	url  string
}

// Retry returns the queue that the configuration names.
func (a *AWS) Retry() *Retry {
	client := a.sqs()
	return &Retry{client.SendMessage, client.ChangeMessageVisibility, a.Config.RetryQueueURL}
}

// Delay hides a message that was received under a receipt, so that it is received again
// after the gap, rounded up to a second.
func (q *Retry) Delay(ctx context.Context, receipt string, gap time.Duration) error {
	_, err := q.hide(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: aws.String(q.url), ReceiptHandle: aws.String(receipt), VisibilityTimeout: seconds(gap),
	})
	if err != nil {
		return fmt.Errorf("hiding a message for %v: %w", gap.Round(time.Second), err)
	}
	return nil
}

// seconds rounds up, so that no gap is none.
func seconds(d time.Duration) int32 {
	return int32((d + time.Second - 1) / time.Second) //nolint:gosec // G115: minutes
}

// Enqueue puts a message that has failed into the queue, to be tried again after the first gap.
func (q *Retry) Enqueue(ctx context.Context, e message.RuleEvent) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding a message of %s: %w", e.Thing, err)
	}
	_, err = q.send(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(q.url), MessageBody: aws.String(string(body)), DelaySeconds: seconds(backoff.Gap(1)),
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
