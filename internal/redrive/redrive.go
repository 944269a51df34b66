// Package redrive puts back what lies in the dead-letter queues of a deployed stack.
//
// A message is removed from its dead letters after it was accepted elsewhere, and never
// before; who is interrupted between the two has it twice, which the handlers bear.
package redrive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/deployed"
)

// Logical IDs in template.yaml.
const (
	retryQueue      = "RetryQueue"
	refreshQueue    = "RefreshQueue"
	refreshFunction = "RefreshFunction"
	notifyFunction  = "NotifyFunction"
)

// dead returns the logical ID of the dead letters of a queue.
func dead(queue string) string {
	return map[string]string{deadletter.Retry: "RetryDlq", deadletter.Refresh: "RefreshDlq", deadletter.Notify: "NotifyDlq"}[queue]
}

// Stack has the dead letters of a deployed stack.
type Stack struct {
	Resource func(logicalID string) (string, error) // of [deployed.Stack]
	Function func(logicalID string) (string, error) // of [deployed.Stack]
	Queues   Queues
	Invoke   func(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
	Now      func() time.Time // nil: time.Now
}

// Queues are the calls of SQS that it takes.
type Queues struct {
	Receive func(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	Send    func(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	Delete  func(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
	Hide    func(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	Count   func(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Of returns the dead letters of s.
func Of(s *deployed.Stack) *Stack {
	q, f := sqs.NewFromConfig(s.AWS()), lambda.NewFromConfig(s.AWS())
	return &Stack{
		Resource: s.Resource, Function: s.Function, Invoke: f.Invoke,
		Queues: Queues{q.ReceiveMessage, q.SendMessage, q.DeleteMessage, q.ChangeMessageVisibility, q.GetQueueAttributes},
	}
}

const (
	atOnce = 10 // messages, the most that SQS hands out

	// hidden is how long a message is away from others while it is looked at or put back,
	// in seconds. Should this process end, it is back by then.
	hidden = 300

	// waitSeconds makes SQS ask all of its servers, so that empty means empty.
	waitSeconds = 1
)

// List looks at up to limit dead letters of a queue and leaves them where they are.
//
// Errors: those of [deployed.Explain].
func (s *Stack) List(ctx context.Context, queue string, limit int) (deadletter.Box, error) {
	box := deadletter.Box{Queue: queue, Letters: []deadletter.Letter{}}
	url, err := s.Resource(dead(queue))
	if err != nil {
		return box, err
	}
	err = s.each(ctx, url, limit, func(m *types.Message) (bool, error) {
		l, _ := s.read(queue, m)
		box.Letters = append(box.Letters, l)
		return true, nil
	})
	if err != nil {
		return box, err
	}
	box.Count, err = s.count(ctx, url)
	box.Count = max(box.Count, len(box.Letters))
	return box, err
}

// PutBack puts up to limit dead letters of a queue back. What nobody can read stays, and
// so does all that comes after an error; what Done tells is done also then.
//
// Errors: those of [deployed.Explain].
func (s *Stack) PutBack(ctx context.Context, queue string, limit int) (deadletter.Done, error) {
	done := deadletter.Done{Queue: queue}
	url, err := s.Resource(dead(queue))
	if err != nil {
		return done, err
	}
	err = s.each(ctx, url, limit, func(m *types.Message) (bool, error) {
		l, to := s.read(queue, m)
		if l.Fate == deadletter.Left {
			done.Left++
			return true, nil
		}
		if err := s.handOver(ctx, to); err != nil {
			return true, err
		}
		done.PutBack++
		return false, s.remove(ctx, url, m)
	})
	return done, err
}

// each receives up to limit messages and hands them to do, which says whether the message
// is still there. Those that are come back into sight at the end.
func (s *Stack) each(ctx context.Context, url string, limit int, do func(*types.Message) (stays bool, err error)) (err error) {
	var staying []*string
	defer func() { err = errors.Join(err, s.show(context.WithoutCancel(ctx), url, staying)) }()
	for seen := 0; seen < limit; {
		out, err := s.Queues.Receive(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: int32(min(atOnce, limit-seen)), //nolint:gosec // G115: 10 at most
			VisibilityTimeout: hidden, WaitTimeSeconds: waitSeconds,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
			MessageAttributeNames:       []string{schedulerReason, snsReason},
		})
		if err != nil {
			return deployed.Explain(err)
		}
		if len(out.Messages) == 0 {
			return nil
		}
		seen += len(out.Messages)
		var failed error
		for i := range out.Messages {
			stays := true // what comes after an error is only put back into sight
			if failed == nil {
				stays, failed = do(&out.Messages[i])
			}
			if stays {
				staying = append(staying, out.Messages[i].ReceiptHandle)
			}
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// show puts messages back into sight. One that can't be is back after a while anyway.
func (s *Stack) show(ctx context.Context, url string, receipts []*string) error {
	for _, r := range receipts {
		_, err := s.Queues.Hide(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: r})
		if err != nil {
			return fmt.Errorf("dead letters that were looked at are back in %d minutes only: %w", hidden/60, deployed.Explain(err))
		}
	}
	return nil
}

// The attributes in which EventBridge Scheduler and SNS say why they gave up.
// Sources: docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html,
// docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html
const (
	schedulerReason = "ERROR_MESSAGE"
	snsReason       = "ErrorMessage"
)

func (s *Stack) read(queue string, m *types.Message) (l deadletter.Letter, to handOver) {
	var sent time.Time
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		sent = time.UnixMilli(ms)
	}
	body := aws.ToString(m.Body)
	switch queue {
	case deadletter.Retry:
		l, to = readRetry(body, sent, s.now())
	case deadletter.Refresh:
		l, to = readRefresh(body, sent)
	default:
		l, to = readNotify(body, sent)
	}
	for _, attribute := range []string{schedulerReason, snsReason} {
		if why, ok := m.MessageAttributes[attribute]; ok {
			l.Reason = deadletter.Clean(aws.ToString(why.StringValue))
		}
	}
	l.ID = aws.ToString(m.MessageId)
	return l, to
}

// handOver returns nil once AWS has accepted a letter.
func (s *Stack) handOver(ctx context.Context, to handOver) error {
	if to.queue != "" {
		url, err := s.Resource(to.queue)
		if err == nil {
			_, err = s.Queues.Send(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &to.body})
		}
		return deployed.Explain(err)
	}
	name, err := s.Function(to.function)
	if err != nil {
		return err
	}
	out, err := s.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(to.body)})
	switch {
	case err != nil:
		return deployed.Explain(err)
	case out.StatusCode != accepted:
		return fmt.Errorf("%s did not take the event: Lambda answered %d", name, out.StatusCode)
	}
	return nil
}

const accepted = 202 // what Lambda answers for an event that it has queued

func (s *Stack) remove(ctx context.Context, url string, m *types.Message) error {
	// It was handed over: that this is not undone by a Ctrl-C spares working on it twice.
	_, err := s.Queues.Delete(context.WithoutCancel(ctx), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		return fmt.Errorf("message %s was put back but is still a dead letter, too, which does no harm: %w", aws.ToString(m.MessageId), deployed.Explain(err))
	}
	return nil
}

func (s *Stack) count(ctx context.Context, url string) (int, error) {
	const visible = types.QueueAttributeNameApproximateNumberOfMessages
	out, err := s.Queues.Count(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{visible}})
	if err != nil {
		return 0, deployed.Explain(err)
	}
	n, err := strconv.Atoi(out.Attributes[string(visible)])
	if err != nil {
		return 0, errors.New("SQS does not say how many dead letters there are")
	}
	return n, nil
}

func (s *Stack) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
