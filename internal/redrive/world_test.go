package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/redrive"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is SQS and Lambda as a redrive sees them: queues by logical ID.
type world struct {
	t      *testing.T
	queues map[string][]*letter
	events map[string][]string // function → what it was invoked with

	fail map[string]error // call → what it answers
	next int
}

type letter struct {
	id, body, reason string
	sent             time.Time
	hidden, gone     bool
}

func newWorld(t *testing.T) *world {
	return &world{t: t, queues: map[string][]*letter{}, events: map[string][]string{}, fail: map[string]error{}}
}

// put puts a message into a queue, sent some time ago.
func (w *world) put(queue, body string, age time.Duration) *letter {
	w.next++
	l := &letter{id: strconv.Itoa(w.next), body: body, sent: now.Add(-age)}
	w.queues[queue] = append(w.queues[queue], l)
	return l
}

// bodies returns what a queue holds, whether it is hidden or not.
func (w *world) bodies(queue string) []string {
	all := []string{}
	for _, l := range w.queues[queue] {
		if !l.gone {
			all = append(all, l.body)
		}
	}
	return all
}

// hidden counts what nobody else can see.
func (w *world) hidden() (n int) {
	for _, q := range w.queues {
		for _, l := range q {
			if l.hidden && !l.gone {
				n++
			}
		}
	}
	return n
}

func (w *world) stack() *redrive.Stack {
	known := []string{"RetryQueue", "RetryDlq", "RefreshQueue", "RefreshDlq", "NotifyDlq", "NotifyFunction", "RefreshFunction"}
	named := func(prefix string) func(string) (string, error) {
		return func(logical string) (string, error) {
			if !slices.Contains(known, logical) {
				return "", fmt.Errorf("the stack has no %s", logical)
			}
			return prefix + logical, nil
		}
	}
	return &redrive.Stack{
		Resource: named(""), Function: named("live:"), Invoke: w.invoke, Now: func() time.Time { return now },
		Queues: redrive.Queues{Receive: w.receive, Send: w.send, Delete: w.remove, Hide: w.hide, Count: w.count},
	}
}

func (w *world) receive(_ context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.VisibilityTimeout < 60 || in.WaitTimeSeconds == 0 {
		w.t.Errorf("received with a visibility of %d s and a wait of %d s: another would get it too, or a part of the servers is asked",
			in.VisibilityTimeout, in.WaitTimeSeconds)
	}
	out := new(sqs.ReceiveMessageOutput)
	for _, l := range w.queues[*in.QueueUrl] {
		if l.hidden || l.gone || len(out.Messages) == int(in.MaxNumberOfMessages) {
			continue
		}
		l.hidden = true
		m := types.Message{
			MessageId: &l.id, ReceiptHandle: aws.String("receipt-" + l.id), Body: &l.body,
			Attributes: map[string]string{"SentTimestamp": strconv.FormatInt(l.sent.UnixMilli(), 10)},
		}
		attribute := map[string]string{"RefreshDlq": "ERROR_MESSAGE", "NotifyDlq": "ErrorMessage"}[*in.QueueUrl] // of the Scheduler, of SNS
		if l.reason != "" && slices.Contains(in.MessageAttributeNames, attribute) {
			m.MessageAttributes = map[string]types.MessageAttributeValue{attribute: {StringValue: &l.reason}}
		}
		out.Messages = append(out.Messages, m)
	}
	return out, w.fail["receive"]
}

func (w *world) of(queue, receipt *string) *letter {
	for _, l := range w.queues[*queue] {
		if "receipt-"+l.id == *receipt {
			return l
		}
	}
	w.t.Fatalf("no message of %s has the receipt %s", *queue, *receipt)
	return nil
}

func (w *world) send(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if err := w.fail["send"]; err != nil {
		return nil, err
	}
	w.put(*in.QueueUrl, *in.MessageBody, 0)
	return &sqs.SendMessageOutput{}, nil
}

func (w *world) remove(ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error) {
	if err := errors.Join(ctx.Err(), w.fail["delete"]); err != nil {
		return nil, err
	}
	w.of(in.QueueUrl, in.ReceiptHandle).gone = true
	return &sqs.DeleteMessageOutput{}, nil
}

func (w *world) hide(ctx context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	if err := errors.Join(ctx.Err(), w.fail["hide"]); err != nil {
		return nil, err
	}
	w.of(in.QueueUrl, in.ReceiptHandle).hidden = in.VisibilityTimeout > 0
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (w *world) count(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	n := 0
	for _, l := range w.queues[*in.QueueUrl] {
		if !l.gone && !l.hidden {
			n++
		}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"ApproximateNumberOfMessages": strconv.Itoa(n)}}, w.fail["count"]
}

func (w *world) invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := w.fail["invoke"]; err != nil {
		return nil, err
	}
	if in.InvocationType != "Event" {
		w.t.Errorf("invoked as %s: what fails would not come back", in.InvocationType)
	}
	w.events[*in.FunctionName] = append(w.events[*in.FunctionName], string(in.Payload))
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}
