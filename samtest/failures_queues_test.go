//go:build sam

package samtest_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/redrive"
	"github.com/restock-dev/restock/internal/refresh"
)

// poll brings what has failed back, and hands all that is in a function's queue to it,
// once. It returns how many messages are done, and how many failed again.
func (w *trouble) poll(function string) (done, again int) {
	w.Helper()
	w.must(w.PassTime(w.Context()))
	for range w.in(map[string]string{press: "RetryQueue", sweep: "RefreshQueue"}[function]) {
		received, failed, err := w.Poll(w.Context(), function)
		w.must(err)
		done, again = done+received-failed, again+failed
	}
	return done, again
}

// sweep is a run of the schedule, and of the shards that it sends.
func (w *trouble) sweep() {
	w.Helper()
	if _, err := w.Pump.Invoke(w.Context(), sweep, []byte(refresh.Task)); err != nil {
		w.Logf("scheduled run: %v", err)
	}
	w.poll(sweep)
}

// exhaust polls until a message is among the dead letters.
func (w *trouble) exhaust(function, queue string) {
	w.Helper()
	for range backoff.Tries + 5 {
		if w.in(queue) > 0 {
			return
		}
		w.poll(function)
	}
	w.Fatalf("after %d tries nothing is in %s", backoff.Tries, queue)
}

func (w *trouble) in(queue string) int {
	w.Helper()
	n, err := w.Count(w.Context(), queue)
	w.must(err)
	name := fmt.Sprint(w.Resolver.Attributes[queue]["QueueName"])
	w.deepest[name] = max(w.deepest[name], n)
	return n
}

// put puts a body into a queue.
func (w *trouble) put(queue, body string) {
	w.Helper()
	url := w.Ref(queue)
	_, err := w.SQS.SendMessage(w.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	w.must(err)
}

// redrive puts the dead letters of a queue back, as `restock redrive` does.
func (w *trouble) redrive(queue string) deadletter.Done {
	w.Helper()
	s := &redrive.Stack{
		Resource: func(id string) (string, error) { return w.Ref(id), nil },
		Function: func(id string) (string, error) { return id, nil },
		Queues:   redrive.Queues{Receive: w.SQS.ReceiveMessage, Send: w.SQS.SendMessage, Delete: w.SQS.DeleteMessage, Hide: w.SQS.ChangeMessageVisibility, Count: w.SQS.GetQueueAttributes},
		Invoke: func(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
			_ = w.Async(ctx, *in.FunctionName, in.Payload) // it is the function's business from here
			return &lambda.InvokeOutput{StatusCode: 202}, nil
		},
	}
	done, err := s.PutBack(w.Context(), queue, 100)
	w.must(err)
	return done
}

// gaps returns for how many seconds the function has hidden messages that failed.
func (w *trouble) gaps() (seconds []int) {
	w.Helper()
	calls, _, err := w.Proxy.Calls(w.Context())
	w.must(err)
	for _, c := range calls {
		var in struct{ VisibilityTimeout int }
		if c.API == "ChangeMessageVisibility" {
			w.must(json.Unmarshal([]byte(c.Body), &in))
			seconds = append(seconds, in.VisibilityTimeout)
		}
	}
	return seconds
}
