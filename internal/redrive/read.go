package redrive

import (
	"cmp"
	"encoding/json"
	"regexp"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/replenish"
)

// handOver is how a letter is put back: to a queue, or to a function without one.
type handOver struct {
	queue    string // logical ID
	function string // logical ID
	body     string
}

// failureRecord is what Lambda makes of an event that its function has failed for.
// Source: docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type failureRecord struct {
	At      string `json:"timestamp"`
	Context struct {
		Condition string `json:"condition"`
		Invoked   int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	Payload  json.RawMessage `json:"requestPayload"`
	Response struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	} `json:"responsePayload"`
}

func (r *failureRecord) reason() string {
	return deadletter.Clean(cmp.Or(r.Response.Message, r.Response.Type, r.Context.Condition))
}

// readRetry reads a dead letter of the retry queue. It is put back with the time at which it
// was received, since to the queue it counts as new: without that, a press that its body does
// not date would be ordered however old it is.
func readRetry(body string, sent, now time.Time) (deadletter.Letter, handOver) {
	e, at, err := replenish.ReadQueued(body)
	if err != nil {
		return unreadable(deadletter.Retry, sent), handOver{}
	}
	if at.IsZero() && !sent.IsZero() {
		at, e.ReceivedAt = sent, sent.UnixMilli()
	}
	text, err := json.Marshal(e)
	if err != nil {
		return unreadable(deadletter.Retry, sent), handOver{}
	}
	l := deadletter.Rule(e, at, now)
	l.Reason = retryReason(body)
	return l, handOver{queue: retryQueue, body: string(text)}
}

// retryReason finds why Lambda or the IoT rule gave a message up. A message that we queued
// ourselves doesn't say: the log of the function does.
func retryReason(body string) string {
	var r struct {
		failureRecord
		Failures []struct {
			Message string `json:"errorMessage"`
		} `json:"failures"`
	}
	_ = json.Unmarshal([]byte(body), &r) // then there is no reason in it
	if len(r.Failures) > 0 {
		return deadletter.Clean(r.Failures[0].Message)
	}
	return r.reason()
}

// readRefresh reads a dead letter of the refresh queue: a shard, or a run of the schedule
// that never came to the function, which takes it from no queue.
func readRefresh(body string, sent time.Time) (deadletter.Letter, handOver) {
	var b struct {
		Shard string `json:"shard"`
		Task  string `json:"task"`
	}
	_ = json.Unmarshal([]byte(body), &b) // then it is neither
	l := deadletter.Letter{Queue: deadletter.Refresh, At: sent.UTC(), Fate: deadletter.Again}
	switch {
	case shard.MatchString(b.Shard):
		l.What = "shard " + b.Shard
		return l, handOver{queue: refreshQueue, body: refresh.ShardBody(b.Shard)}
	case b.Task == "refresh":
		l.What = "schedule"
		return l, handOver{function: refreshFunction, body: refresh.Task}
	}
	return unreadable(deadletter.Refresh, sent), handOver{}
}

var shard = regexp.MustCompile(`^[0-9]{1,4}$`)

// readNotify reads a dead letter of the notify function: Lambda's record of an event of SNS, or
// the notification of SNS itself, where SNS could not call the function.
func readNotify(body string, sent time.Time) (deadletter.Letter, handOver) {
	var (
		r failureRecord
		e events.SNSEvent
	)
	if json.Unmarshal([]byte(body), &r) != nil {
		return unreadable(deadletter.Notify, sent), handOver{}
	}
	if r.Payload == nil {
		r.Payload = eventOf(body)
	}
	if json.Unmarshal(r.Payload, &e) != nil || len(e.Records) == 0 {
		return unreadable(deadletter.Notify, sent), handOver{}
	}
	l := deadletter.Notification([]byte(e.Records[0].SNS.Message)) // SNS sends one at a time
	l.At, l.Attempts = e.Records[0].SNS.Timestamp.UTC(), r.Context.Invoked
	if l.At.IsZero() {
		l.At = sent.UTC()
	}
	l.Reason = cmp.Or(l.Reason, r.reason())
	return l, handOver{function: notifyFunction, body: string(r.Payload)}
}

// eventOf returns the event that Lambda would have made of a notification of SNS, nil for anything
// else.
// Source: docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func eventOf(body string) json.RawMessage {
	r := events.SNSEventRecord{EventVersion: "1.0", EventSource: "aws:sns"}
	if json.Unmarshal([]byte(body), &r.SNS) != nil || r.SNS.Type != "Notification" || r.SNS.TopicArn == "" {
		return nil
	}
	event, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{r}})
	if err != nil {
		return nil
	}
	return event
}

func unreadable(queue string, sent time.Time) deadletter.Letter {
	return deadletter.Letter{Queue: queue, What: deadletter.Unreadable, At: sent.UTC(), Fate: deadletter.Left}
}
