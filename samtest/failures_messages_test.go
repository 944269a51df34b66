//go:build sam

package samtest_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func twice(w *trouble) {
	event := pressed("1")
	both := w.begins(func() { _ = w.Async(w.Context(), press, event) }, func() { _ = w.Async(w.Context(), press, event) })
	both.Wait()
	w.put("RetryQueue", string(event))
	w.put("RetryQueue", string(event))
	w.poll(press)
	w.poll(press)
	w.wantOrdered("1")
}

func outOfOrder(w *trouble) {
	w.must(w.Amazon.Script(w.Context(), sandbox.Faults{DRS: []drstest.Fault{{Route: drstest.RouteReplenish, Kind: drstest.DropAfter}}}))
	if err := w.press("1"); err == nil {
		w.Error("a press whose answer got lost is done")
	}
	w.wantCounted("OutcomeUnknown")
	w.cancel() // which frees the slot
	placed, cancelled := w.notification("OrderPlaced"), w.notification("OrderCancelled")
	w.must(w.Async(w.Context(), notifying, cancelled))
	w.poll(press)
	w.wantOrdered("1")
	w.must(w.Async(w.Context(), notifying, placed))
	w.must(w.Async(w.Context(), notifying, cancelled))
	w.wantCounted("Notification", "outcome", "stale")
	w.wantCounted("Notification", "outcome", "duplicate")
}

func poison(w *trouble) {
	w.put("RetryQueue", "poison")
	w.put("RetryQueue", string(pressed("1")))
	if done, again := w.poll(press); done != 1 || again != 1 {
		w.Errorf("%d messages are done, %d must come again; want 1 and 1", done, again)
	}
	w.exhaust(press, "RetryDlq")
	if gaps := w.gaps(); slices.Max(gaps) != 1 {
		w.Errorf("what nobody can read was hidden for %v seconds, want 1 each time", gaps)
	}
	w.wantCounted("QueueMalformed")
	if done := w.redrive(deadletter.Retry); done.PutBack != 0 || done.Left != 1 || w.in("RetryDlq") != 1 {
		w.Errorf("redrive = %+v, %d dead letters; want it left where it is", done, w.in("RetryDlq"))
	}
	w.wantOrdered("1")
}

func twoRuns(w *trouble) {
	run := func() {
		_, err := w.Pump.Invoke(w.Context(), sweep, []byte(`{"task":"refresh"}`))
		w.must(err)
	}
	run()
	run()
	if n := w.in("RefreshQueue"); n != 2 {
		w.Errorf("%d shards are sent, want the same one twice", n)
	}
	other := *w.Pump
	both := w.begins(func() { w.poll(sweep) }, func() {
		if _, _, err := other.Poll(w.Context(), sweep); err != nil {
			w.Error(err)
		}
	})
	both.Wait()
	w.wantActive()
	calls, err := w.Amazon.Calls(w.Context())
	w.must(err)
	if n := calls.LWA["refresh_token"]; n != 1 {
		w.Errorf("LWA was asked for a token %d times, want once", n)
	}
	if n := w.in("RefreshQueue"); n != 0 {
		w.Errorf("%d shards are left in the queue", n)
	}
}

// notification is what SNS makes of the one notification of a type.
func (w *trouble) notification(kind string) []byte {
	w.Helper()
	all, err := w.Amazon.Notifications(w.Context())
	w.must(err)
	for _, n := range all {
		if strings.Contains(n.Message, kind+"Notification") {
			event, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{{
				EventVersion: "1.0", EventSource: "aws:sns", SNS: events.SNSEntity{MessageID: kind, Type: "Notification", Message: n.Message, TopicArn: w.Ref("NotificationTopic")},
			}}})
			w.must(err)
			return event
		}
	}
	w.Fatalf("DRS has sent no %s in %v", kind, all)
	return nil
}

// cancel is the customer who cancels the one order.
func (w *trouble) cancel() {
	w.Helper()
	s, err := w.Amazon.State(w.Context())
	w.must(err)
	if len(s.Orders) != 1 {
		w.Fatalf("%d orders, want one to cancel", len(s.Orders))
	}
	w.must(w.Amazon.Order(w.Context(), s.Orders[0].ID, "cancel"))
}
