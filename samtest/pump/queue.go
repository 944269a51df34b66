package pump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// receipt is of a message that failed and is out of sight.
type receipt struct{ url, handle string }

// source is an event source mapping.
type source struct {
	FunctionName          string
	EventSourceArn        string
	BatchSize             int
	FunctionResponseTypes []string
}

// Poll receives one batch of a function's queue and hands it to the function, as Lambda's
// pollers do: what is done is removed; what failed comes back when its visibility timeout
// ends, or by [Pump.PassTime]. received is 0 where there is nothing in sight.
func (p *Pump) Poll(ctx context.Context, function string) (received, failed int, err error) {
	from, url, err := p.source(function)
	if err != nil {
		return 0, 0, err
	}
	out, err := p.stack.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: int32(min(from.BatchSize, 10)),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil || len(out.Messages) == 0 {
		return 0, 0, err
	}
	var batch events.SQSEvent
	for _, m := range out.Messages {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Md5OfBody: aws.ToString(m.MD5OfBody), Attributes: m.Attributes, EventSource: "aws:sqs", EventSourceARN: from.EventSourceArn,
		})
	}
	again, err := p.batch(ctx, function, from, batch)
	if err != nil {
		return len(batch.Records), 0, err
	}
	for _, m := range batch.Records {
		if slices.Contains(again, m.MessageId) {
			p.hidden = append(p.hidden, receipt{url, m.ReceiptHandle})
			continue
		}
		if _, err := p.stack.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &m.ReceiptHandle}); err != nil {
			return len(batch.Records), len(again), err
		}
	}
	return len(batch.Records), len(again), nil
}

// batch returns the IDs of the messages that must come again.
func (p *Pump) batch(ctx context.Context, function string, from *source, batch events.SQSEvent) ([]string, error) {
	event, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range batch.Records {
		all = append(all, m.MessageId)
	}
	answer, err := p.Invoke(ctx, function, event)
	if _, failed := errors.AsType[*Failure](err); failed {
		return all, nil
	} else if err != nil {
		return nil, err
	}
	if !slices.Contains(from.FunctionResponseTypes, "ReportBatchItemFailures") {
		return nil, nil
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return all, nil //nolint:nilerr // Lambda takes an answer that it can't read for a failure of all
	}
	var again []string
	for _, f := range response.BatchItemFailures {
		if !slices.Contains(all, f.ItemIdentifier) { // the same
			return all, nil
		}
		again = append(again, f.ItemIdentifier)
	}
	return again, nil
}

// source returns the one event source mapping of a function, and the URL of its queue.
func (p *Pump) source(function string) (*source, string, error) {
	t := p.stack.Resolver.Template
	for _, name := range t.OfType("AWS::Lambda::EventSourceMapping") {
		s, err := resolve[source](p.stack, name)
		if err != nil {
			return nil, "", err
		}
		if p.stack.Function(s.FunctionName) == function {
			url, err := p.queueURL(s.EventSourceArn)
			return &s, url, err
		}
	}
	return nil, "", fmt.Errorf("%s has no event source", function)
}

// PassTime brings messages that failed back into sight, as their visibility timeout does.
func (p *Pump) PassTime(ctx context.Context) error {
	hidden := p.hidden
	p.hidden = nil
	for _, r := range hidden {
		if _, err := p.stack.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &r.url, ReceiptHandle: &r.handle}); err != nil {
			return fmt.Errorf("bringing a message back: %w", err)
		}
	}
	return nil
}

// Count returns how many messages are in a queue, by its logical name, in sight or not.
func (p *Pump) Count(ctx context.Context, queue string) (int, error) {
	url := p.stack.Ref(queue)
	out, err := p.stack.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		some, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			return 0, fmt.Errorf("%s does not tell its %s", queue, name)
		}
		n += some
	}
	return n, nil
}
