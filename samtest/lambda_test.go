//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/samtest/stack"
)

const thing = "ACME-VAC-1::SN0001" // that of the fixture "paired"

// The schedule's input sends the shards with something due into the queue, and what is
// received from there refreshes the token.
func TestScheduleRefreshesTokens(t *testing.T) {
	s := newSDK(t, "schedule")
	s.give("due")
	before := s.registration()

	schedules := s.Resolver.Template.OfType("AWS::Scheduler::Schedule")
	if len(schedules) != 1 {
		t.Fatalf("schedules = %q, want one", schedules)
	}
	target := s.resolve(s.Resolver.Template.Resources[schedules[0]].Properties["Target"]).(map[string]any)
	s.invoke("refresh", json.RawMessage(target["Input"].(string)))

	queue := s.Ref("RefreshQueue")
	received, err := s.SQS.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("%d messages in the refresh queue, %v; want that of the device's shard", len(received.Messages), err)
	}
	m := received.Messages[0]
	result := s.invoke("refresh", events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, EventSource: "aws:sqs", EventSourceARN: s.ARN("RefreshQueue"),
	}}})
	var batch events.SQSEventResponse
	if json.Unmarshal(result, &batch) != nil || len(batch.BatchItemFailures) > 0 {
		t.Errorf("result = %s, want no failures", result)
	}
	after := s.registration()
	if !after.Expiry.After(before.Expiry) || after.AccessToken == before.AccessToken || !after.DueAt.After(before.DueAt) {
		t.Errorf("the token was not refreshed: %v is still good until %v", thing, after.Expiry)
	}
	calls, err := s.Amazon.Calls(t.Context())
	if err != nil || calls.LWA["refresh_token"] != 1 {
		t.Errorf("%d refreshes, %v, want one", calls.LWA["refresh_token"], err)
	}
}

var alias = regexp.MustCompile(`AS (\w+)`)

// What the IoT rule makes of a device's message is ordered, and the device hears of it;
// what DRS then publishes to its topic reaches the device, too.
func TestRuleOrdersAndTopicTells(t *testing.T) {
	s := newSDK(t, "rule")
	s.give("paired")
	s.invoke("replenish", s.ruleEvent(`{"slot":"filter","id":"press-1"}`))
	results := s.told(message.EventResult)
	if len(results) != 1 || results[0]["outcome"] != string(message.Ordered) || results[0]["id"] != "press-1" {
		t.Fatalf("results = %v, want that press-1 is ordered", results)
	}
	state, err := s.Amazon.State(t.Context())
	if err != nil || len(state.Orders) != 1 || state.Orders[0].ID != results[0]["instance_id"] {
		t.Fatalf("orders = %+v, %v, want the one of the result", state.Orders, err)
	}

	s.notify(0)
	if err := s.Amazon.Order(t.Context(), state.Orders[0].ID, "ship"); err != nil {
		t.Fatal(err)
	}
	s.notify(1)
	var steps []any
	for _, o := range s.told(message.EventOrder) {
		steps = append(steps, o["status"])
	}
	if diff := cmp.Diff([]any{"placed", "shipped"}, steps); diff != "" {
		t.Errorf("the device is told (-want +got):\n%s", diff)
	}
	order := &store.Order{Thing: thing, InstanceID: state.Orders[0].ID}
	if err := s.Store.Get(t.Context(), order); err != nil || order.Status != "shipped" || order.Slot != "filter" {
		t.Errorf("order record = %+v, %v, want it shipped", order, err)
	}
}

// ruleEvent is what the rule hands to its function for a message of the device.
func (s *sdk) ruleEvent(payload string) any {
	s.t.Helper()
	event := message.RuleEvent{
		Data: []byte(payload), Thing: thing, Action: message.ActionReplenish, ClientID: thing, Principal: "certificate", TraceID: "trace",
		ReceivedAt: time.Now().UnixMilli(),
	}
	text, err := json.Marshal(event)
	if err != nil {
		s.t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		s.t.Fatal(err)
	}
	rule := s.Resolver.Template.Resources["ReplenishRule"].Properties["TopicRulePayload"].(map[string]any)
	for _, m := range alias.FindAllStringSubmatch(rule["Sql"].(string), -1) {
		if _, ok := members[m[1]]; !ok {
			s.t.Errorf("the rule selects %s, which its function does not read", m[1])
		}
		delete(members, m[1])
	}
	for name := range members {
		s.t.Errorf("the rule does not select %s, which its function reads", name)
	}
	return event
}

// notify hands the nth notification of DRS to the function that is subscribed to its topic.
func (s *sdk) notify(n int) {
	s.t.Helper()
	all, err := s.Amazon.Notifications(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(n stack.Notification) bool { return !isOfOrder.MatchString(n.Message) })
	if len(all) <= n {
		s.t.Fatalf("DRS has published %d notifications of orders, want %d", len(all), n+1)
	}
	attributes := map[string]any{}
	for name, value := range all[n].Attributes {
		attributes[name] = map[string]string{"Type": "String", "Value": value}
	}
	topic := s.Ref("NotificationTopic")
	s.invoke("notify", events.SNSEvent{Records: []events.SNSEventRecord{{
		EventVersion: "1.0", EventSource: "aws:sns", EventSubscriptionArn: topic + ":1", SNS: events.SNSEntity{
			Type: "Notification", MessageID: fmt.Sprint(n), TopicArn: topic, Message: all[n].Message, MessageAttributes: attributes,
			Timestamp: time.Now().UTC(),
		},
	}}})
}

var isOfOrder = regexp.MustCompile(`OrderPlaced|ItemShipped`)
