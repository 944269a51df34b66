package redrive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/message"
)

const (
	canary = "canary-of-a-payload"
	device = "ACME-VAC-1::SN0001"
)

// event returns the body of a file in events/, an SQS event of one record.
func event(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var e events.SQSEvent
	if err := json.Unmarshal(text, &e); err != nil || len(e.Records) != 1 {
		t.Fatalf("%s: %d records, %v", name, len(e.Records), err)
	}
	return e.Records[0].Body
}

// press is the body of a press, received some time ago; 0 is a body that doesn't say when.
func press(t *testing.T, action string, age time.Duration) string {
	t.Helper()
	e := message.RuleEvent{Data: []byte(`{"slot":"` + canary + `"}`), Thing: device, Action: action, ClientID: device, TraceID: "trace"}
	if age > 0 {
		e.ReceivedAt = now.Add(-age).UnixMilli()
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// failed is Lambda's record of an event that failed.
func failed(t *testing.T, payload any, why string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": "2026-11-21T10:00:00Z",
		"requestContext":  map[string]any{"condition": "RetriesExhausted", "approximateInvokeCount": 3},
		"requestPayload":  payload,
		"responsePayload": map[string]string{"errorType": "RetryError", "errorMessage": why},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func notification(serial string) map[string]any {
	text := `{"notificationInfo":{"notificationType":"DeviceDeregisteredNotification","notificationId":"` + canary + `","version":"2"},
"deviceInfo":{"deviceIdentifier":{"serialNumber":"` + serial + `"},"productIdentifier":{"modelId":"ACME-VAC-1"}},"customerInfo":{"directedCustomerId":"amzn1.account.` + canary + `"}}`
	return map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{
		"Message": text, "Timestamp": "2026-11-20T09:00:00Z", "MessageId": "1", "Type": "Notification",
	}}}}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	w.put("RetryDlq", press(t, "replenish", 23*time.Hour), 23*time.Hour)
	w.put("RetryDlq", press(t, "replenish", 24*time.Hour), 24*time.Hour)
	w.put("RetryDlq", press(t, "replenish", 0), 13*24*time.Hour) // SQS knows when it came first
	w.put("RetryDlq", press(t, "slot-status", 2*time.Hour), 2*time.Hour)
	w.put("RetryDlq", press(t, "registration", 59*time.Minute), 0)
	w.put("RetryDlq", failed(t, json.RawMessage(press(t, "replenish", 3*time.Hour)), "LWA is\n\x1b[31maway"), 2*time.Hour)
	w.put("RetryDlq", event(t, "replenish-queue-not-invoked"), time.Hour)
	w.put("RetryDlq", canary, time.Hour)
	w.put("RefreshDlq", `{"shard":"3"}`, time.Hour)
	w.put("RefreshDlq", `{"task":"refresh"}`, time.Hour).reason = "function is gone"
	w.put("RefreshDlq", `{"shard":"`+canary+`"}`, time.Hour)
	w.put("NotifyDlq", failed(t, notification("SN0001"), "table is away"), time.Hour)
	w.put("NotifyDlq", failed(t, map[string]any{"Records": []any{map[string]any{"Sns": map[string]any{"Message": canary}}}}, "malformed"), time.Hour)
	w.put("NotifyDlq", failed(t, "{}", ""), time.Hour)

	at := func(age time.Duration) time.Time { return now.Add(-age) }
	const reason = "drs: reading a notification: "
	want := map[string][]deadletter.Letter{
		"retry": {
			{What: "replenish", Thing: device, At: at(23 * time.Hour), Fate: deadletter.Again},
			{What: "replenish", Thing: device, At: at(24 * time.Hour), Fate: deadletter.TooOld},
			{What: "replenish", Thing: device, At: at(13 * 24 * time.Hour), Fate: deadletter.TooOld},
			{What: "slot-status", Thing: device, At: at(2 * time.Hour), Fate: deadletter.TooOld},
			{What: "registration", Thing: device, At: at(59 * time.Minute), Fate: deadletter.Again},
			{What: "replenish", Thing: device, At: at(3 * time.Hour), Reason: "LWA is  [31maway", Fate: deadletter.Again},
			{What: "replenish", Thing: device, At: at(time.Hour), Reason: "Failed to invoke lambda function", Fate: deadletter.Again},
			{What: "unreadable", At: at(time.Hour), Fate: deadletter.Left},
		},
		"refresh": {
			{What: "shard 3", At: at(time.Hour), Fate: deadletter.Again},
			{What: "schedule", At: at(time.Hour), Reason: "function is gone", Fate: deadletter.Again},
			{What: "unreadable", At: at(time.Hour), Fate: deadletter.Left},
		},
		"notify": {
			{What: "DeviceDeregisteredNotification", Thing: device, At: at(27 * time.Hour), Attempts: 3, Reason: "table is away", Fate: deadletter.Again},
			{What: "notification", At: at(time.Hour), Attempts: 3, Reason: reason, Fate: deadletter.Again, Malformed: true},
			{What: "unreadable", At: at(time.Hour), Fate: deadletter.Left},
		},
	}
	for _, queue := range deadletter.Queues() {
		box, err := w.stack().List(t.Context(), queue, 100)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprint(box), canary) {
			t.Errorf("%s: the list tells what a message holds: %+v", queue, box)
		}
		for i := range box.Letters {
			if box.Letters[i].ID == "" || box.Letters[i].Queue != queue {
				t.Errorf("letter %d of %s is %+v", i, queue, box.Letters[i])
			}
			box.Letters[i].ID, box.Letters[i].Queue = "", ""
			if strings.HasPrefix(box.Letters[i].Reason, reason) {
				box.Letters[i].Reason = reason
			}
		}
		if diff := cmp.Diff(want[queue], box.Letters); diff != "" || box.Count != len(want[queue]) {
			t.Errorf("%s has %d letters (-want +got):\n%s", queue, box.Count, diff)
		}
	}
	if w.hidden() != 0 || len(w.bodies("RetryQueue")) != 0 || len(w.bodies("RetryDlq")) != 8 {
		t.Errorf("looking has changed something: %d hidden", w.hidden())
	}
}

func TestPutBackToTheRetryQueue(t *testing.T) {
	w := newWorld(t)
	w.put("RetryDlq", press(t, "replenish", 3*time.Hour), 3*time.Hour)
	w.put("RetryDlq", press(t, "replenish", 0), 13*24*time.Hour)
	w.put("RetryDlq", "not ours", time.Hour)
	w.put("RetryDlq", failed(t, json.RawMessage(press(t, "replenish", 0)), ""), time.Hour)
	done, err := w.stack().PutBack(t.Context(), "retry", 100)
	if err != nil || done != (deadletter.Done{Queue: "retry", PutBack: 3, Left: 1}) {
		t.Errorf("PutBack() = %+v, %v", done, err)
	}
	var got []time.Duration
	for _, body := range w.bodies("RetryQueue") {
		var e message.RuleEvent
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Thing != device || e.Action != "replenish" || e.ClientID != device ||
			e.TraceID != "trace" || string(e.Data) != `{"slot":"`+canary+`"}` {
			t.Errorf("put back was %s, %v", body, err)
		}
		got = append(got, now.Sub(time.UnixMilli(e.ReceivedAt)))
	}
	// To the queue they are all new: only the body can say how old they are.
	if diff := cmp.Diff([]time.Duration{3 * time.Hour, 13 * 24 * time.Hour, 2 * time.Hour}, got); diff != "" {
		t.Errorf("ages of what was put back (-want +got):\n%s", diff)
	}
	if left := w.bodies("RetryDlq"); len(left) != 1 || left[0] != "not ours" || w.hidden() != 0 {
		t.Errorf("left are %q, %d hidden", left, w.hidden())
	}
}

func TestPutBackToFunctions(t *testing.T) {
	w := newWorld(t)
	w.put("RefreshDlq", `{"shard":"15"}`, time.Hour)
	w.put("RefreshDlq", ` {"task": "refresh"} `, time.Hour)
	payload := notification("SN0001")
	w.put("NotifyDlq", failed(t, payload, ""), time.Hour)
	for queue, want := range map[string]int{"refresh": 2, "notify": 1} {
		if done, err := w.stack().PutBack(t.Context(), queue, 100); err != nil || done.PutBack != want || done.Left != 0 {
			t.Errorf("PutBack(%s) = %+v, %v", queue, done, err)
		}
	}
	if diff := cmp.Diff([]string{`{"shard":"15"}`}, w.bodies("RefreshQueue")); diff != "" {
		t.Errorf("refresh queue (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`{"task":"refresh"}`}, w.events["live:RefreshFunction"]); diff != "" {
		t.Errorf("refresh function (-want +got):\n%s", diff)
	}
	var got map[string]any
	if sent := w.events["live:NotifyFunction"]; len(sent) != 1 || json.Unmarshal([]byte(sent[0]), &got) != nil || cmp.Diff(payload, got) != "" {
		t.Errorf("notify function got %q, want the event as SNS sent it", sent)
	}
	if n := len(w.bodies("RefreshDlq")) + len(w.bodies("NotifyDlq")); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

// What SNS could not hand to the function is the notification as SNS wraps it, and no event of Lambda.
func TestPutBackWhatSNSGaveUp(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:123456789012:notifications"
	inner := notification("SN0001")["Records"].([]any)[0].(map[string]any)["Sns"].(map[string]any)
	inner["TopicArn"] = topic
	letter, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.put("NotifyDlq", string(letter), time.Hour).reason = "not allowed"
	box, err := w.stack().List(t.Context(), "notify", 10)
	want := deadletter.Letter{
		Queue: "notify", ID: "1", What: "DeviceDeregisteredNotification", Thing: device, At: now.Add(-27 * time.Hour), Reason: "not allowed", Fate: deadletter.Again,
	}
	if diff := cmp.Diff([]deadletter.Letter{want}, box.Letters); err != nil || diff != "" {
		t.Errorf("List() = %v (-want +got):\n%s", err, diff)
	}
	if done, err := w.stack().PutBack(t.Context(), "notify", 10); err != nil || done.PutBack != 1 || len(w.bodies("NotifyDlq")) != 0 {
		t.Fatalf("PutBack() = %+v, %v", done, err)
	}
	var got events.SNSEvent
	if err := json.Unmarshal([]byte(w.events["live:NotifyFunction"][0]), &got); err != nil || len(got.Records) != 1 {
		t.Fatalf("notify function got %s, %v; want an event of SNS", w.events["live:NotifyFunction"], err)
	}
	if r := got.Records[0]; r.EventSource != "aws:sns" || r.SNS.TopicArn != topic || r.SNS.Message != inner["Message"] {
		t.Errorf("notify function got %+v, want what SNS would have sent", r)
	}
}

// Whatever fails, a message is a dead letter, or was accepted, or both.
func TestPutBackLosesNothing(t *testing.T) {
	const all = 25
	for _, call := range []string{"receive", "send", "delete", "hide"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			for range all {
				w.put("RetryDlq", press(t, "replenish", time.Hour), time.Hour)
			}
			w.put("RetryDlq", "not ours", time.Hour)
			w.fail[call] = errors.New("AWS is away")
			done, err := w.stack().PutBack(t.Context(), "retry", 100)
			if err == nil || !strings.Contains(err.Error(), "AWS is away") {
				t.Errorf("PutBack() = %v", err)
			}
			dead, back := len(w.bodies("RetryDlq"))-1, len(w.bodies("RetryQueue"))
			if dead+back < all || back != done.PutBack {
				t.Errorf("of %d messages %d are dead letters, %d were put back and %+v was told", all, dead, back, done)
			}
			if call == "delete" && back != 1 {
				t.Errorf("%d were put back while none could be removed: all of them would be twice", back)
			}
		})
	}
	t.Run("cancelled between the two", func(t *testing.T) {
		w := newWorld(t)
		w.put("RetryDlq", press(t, "replenish", time.Hour), time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := w.stack()
		send := s.Queues.Send
		s.Queues.Send = func(ctx context.Context, in *sqs.SendMessageInput, o ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
			defer cancel()
			return send(ctx, in, o...)
		}
		if _, err := s.PutBack(ctx, "retry", 1); err != nil || len(w.bodies("RetryDlq")) != 0 || len(w.bodies("RetryQueue")) != 1 {
			t.Errorf("PutBack() = %v with %d dead letters and %d put back", err, len(w.bodies("RetryDlq")), len(w.bodies("RetryQueue")))
		}
	})
	t.Run("a function that is not there", func(t *testing.T) {
		w := newWorld(t)
		w.put("NotifyDlq", failed(t, notification("SN0001"), ""), time.Hour)
		w.fail["invoke"] = errors.New("AWS is away")
		if done, err := w.stack().PutBack(t.Context(), "notify", 1); err == nil || done.PutBack != 0 || len(w.bodies("NotifyDlq")) != 1 || w.hidden() != 0 {
			t.Errorf("PutBack() = %+v, %v", done, err)
		}
	})
}

func TestLimit(t *testing.T) {
	w := newWorld(t)
	for range 25 {
		w.put("RetryDlq", press(t, "replenish", time.Hour), time.Hour)
	}
	if box, err := w.stack().List(t.Context(), "retry", 12); err != nil || len(box.Letters) != 12 || box.Count != 25 {
		t.Errorf("List(12) has %d of %d, %v", len(box.Letters), box.Count, err)
	}
	if done, err := w.stack().PutBack(t.Context(), "retry", 12); err != nil || done.PutBack != 12 || len(w.bodies("RetryDlq")) != 13 || w.hidden() != 0 {
		t.Errorf("PutBack(12) = %+v, %v with %d left", done, err, len(w.bodies("RetryDlq")))
	}
}
