package replenish_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// queue hands bodies to the handler and returns the indices of those that must come again.
func (w *world) queue(bodies ...string) []int {
	w.Helper()
	return w.receive(1, bodies...)
}

// receive is queue for messages that come for the n-th time.
func (w *world) receive(n int, bodies ...string) []int {
	w.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: string(rune('0' + i)), ReceiptHandle: "receipt-" + strconv.Itoa(i), Body: body,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(n), "SentTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10)},
		})
	}
	response, err := w.Queue(w.Context(), batch)
	if err != nil {
		w.Fatalf("Queue() = %v: the whole batch would come again", err)
	}
	var failed []int
	for _, f := range response.BatchItemFailures {
		failed = append(failed, int(f.ItemIdentifier[0]-'0'))
	}
	return failed
}

func body(e message.RuleEvent) string {
	text, _ := json.Marshal(e) // it always marshals
	return string(text)
}

// failureRecord is what Lambda makes of an event on which the function has failed.
func failureRecord(e message.RuleEvent) string {
	return `{"version":"1.0","timestamp":"2026-01-08T10:00:00.000Z",
		"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:…","condition":"RetriesExhausted","approximateInvokeCount":2},
		"requestPayload":` + body(e) + `,
		"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},
		"responsePayload":{"errorMessage":"…","errorType":"RetryError"}}`
}

// errorAction is what the rule makes of a message for which the function could not be invoked.
func errorAction(topic, payload string) string {
	return `{"ruleName":"dash_replenish","topic":"` + topic + `","cloudwatchTraceId":"8f3c6e2a","clientId":"` + vac + `",
		"base64OriginalPayload":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `",
		"failures":[{"failedAction":"LambdaAction","failedResource":"arn:aws:lambda:…","errorMessage":"throttled"}]}`
}

func TestQueueBodies(t *testing.T) {
	for name, tt := range map[string]struct{ body, id string }{
		"rule event":     {body(pressed("filter", "1")), "1"},
		"failure record": {failureRecord(pressed("filter", "1")), "1"},
		"error action":   {errorAction("dash/v1/up/"+vac+"/replenish", `{"slot":"filter","id":"1"}`), "1"},
		"basic ingest":   {errorAction("$aws/rules/dash_replenish/dash/v1/up/"+vac+"/replenish", `{"slot":"filter"}`), "8f3c6e2a"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if again := w.queue(tt.body); again != nil {
					t.Fatalf("messages %v must come again, want none", again)
				}
				r := w.last()
				want(t, r, message.Ordered, "STANDARD_ORDER_PLACED")
				if r.ID != tt.id {
					t.Errorf("id = %q, want %q", r.ID, tt.id)
				}
				if got := w.counted("Press", "by", "queue"); got != 1 {
					t.Errorf("%v presses counted, want 1", got)
				}
			})
		})
	}
}

// What is no message ends among the dead letters, and takes nothing along.
func TestQueueMalformed(t *testing.T) {
	bad := []string{
		"", "x", "null", "[]", "{}", `{"thing":"` + vac + `"}`, `{"action":"replenish"}`, `{"requestPayload":{}}`, `{"requestPayload":[]}`,
		`{"thing":"` + vac + `","action":"replenish","data":"no base64!"}`,
	}
	for _, text := range append(bad, `{"topic":"dash/v1/down/x/result"}`, strings.Repeat(" ", 1<<20)+body(pressed("filter", "2"))) {
		bubble(t, func(w *world) {
			if again := w.queue(body(pressed("filter", "1")), text); !slices.Equal(again, []int{1}) {
				t.Errorf("body %.60q: messages %v must come again, want 1 alone", text, again)
			}
			if got := w.counted("QueueMalformed"); got != 1 {
				t.Errorf("body %.60q: counted %v, want 1", text, got)
			}
			want(t, w.last(), message.Ordered, "STANDARD_ORDER_PLACED")
		})
	}
}

// hidden is for how long which message was hidden.
type hidden struct {
	mu   sync.Mutex
	gaps map[string]time.Duration
	err  error
}

func (h *hidden) Delay(_ context.Context, receipt string, gap time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gaps[receipt] = gap
	return h.err
}

// What fails is hidden for a gap that grows with its tries; what is done is not, and what
// can't be read comes again soon, to be among the dead letters soon.
func TestQueueGaps(t *testing.T) {
	bubble(t, func(w *world) {
		w.throttled()
		hides := &hidden{gaps: map[string]time.Duration{}}
		w.Gaps = hides
		foreign := pressed("filter", "2")
		foreign.ClientID = "ACME-VAC-1::SN9"
		for n, most := range map[int]time.Duration{1: time.Second, 5: 16 * time.Second, 20: 10 * time.Minute} {
			clear(hides.gaps)
			if again := w.receive(n, body(pressed("filter", "1")), "poison", body(foreign)); !slices.Equal(again, []int{0, 1}) {
				t.Fatalf("messages %v must come again, want 0 and 1", again)
			}
			if got := hides.gaps["receipt-0"]; got < most/2 || got > most {
				t.Errorf("after try %d the message is hidden for %v, want half to all of %v", n, got, most)
			}
			if got := hides.gaps["receipt-1"]; got != time.Second {
				t.Errorf("after try %d what can't be read is hidden for %v, want a second", n, got)
			}
			if len(hides.gaps) != 2 {
				t.Errorf("after try %d messages are hidden: %v", n, hides.gaps)
			}
		}
		hides.err = errors.New("SQS is away")
		if again := w.receive(2, body(pressed("filter", "1"))); again == nil {
			t.Error("a message that could not be hidden is done, want it to come again by itself")
		}
	})
}

// What fails comes again by itself; what is refused does not.
func TestQueuePartly(t *testing.T) {
	bubble(t, func(w *world) {
		foreign := pressed("filter", "3")
		foreign.ClientID = "ACME-VAC-1::SN9"
		w.script(drstest.RouteReplenish, drstest.Throttled)
		again := w.queue(body(pressed("filter", "1")))
		if !slices.Equal(again, []int{0}) {
			t.Errorf("messages %v must come again, want 0", again)
		}
		again = w.queue(body(foreign), body(pressed("filter", "1")), body(up(message.ActionReplenish, "bad")), body(up("explode", "")))
		if again != nil {
			t.Errorf("messages %v must come again, want none", again)
		}
	})
}

// An alarm looks at how long the device that waits longest has been promised an outcome.
func TestAgeOfAPromise(t *testing.T) {
	bubble(t, func(w *world) {
		e := pressed("filter", "1")
		e.ReceivedAt = time.Now().Add(-90 * time.Minute).UnixMilli()
		if w.queue(body(e)); w.counted("RetryAgeSeconds") != 0 {
			t.Errorf("an order that was placed is measured as a promise of %v s", w.counted("RetryAgeSeconds"))
		}
		e = pressed("filter", "2")
		e.ReceivedAt = time.Now().Add(-90 * time.Minute).UnixMilli()
		w.script(drstest.RouteReplenish, drstest.Throttled)
		w.queue(body(e))
		if got := w.counted("RetryAgeSeconds"); got < 5400 || got > 5460 {
			t.Errorf("RetryAgeSeconds = %v after 90 minutes, want 5400", got)
		}
	})
}

func TestQueueIsWorkedOnAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) {
			time.Sleep(5 * time.Second)
			return &drs.ReplenishResult{EventInstanceID: "amzn1", DetailCode: drs.StandardOrderPlaced}, nil
		}}
		start := time.Now()
		var bodies []string
		for i := range 10 {
			bodies = append(bodies, body(pressed("filter", string(rune('a'+i)))))
		}
		if again := w.queue(bodies...); again != nil {
			t.Errorf("messages %v must come again", again)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("the batch took %v", took)
		}
	})
}

// A press that is tried for hours doesn't tell the device every time that it is.
func TestQueueSaysRetryingOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.Throttled, drstest.Throttled, drstest.Throttled)
		e := pressed("filter", "1")
		for range 3 {
			if again := w.queue(body(e)); len(again) != 1 {
				t.Fatal("a throttled press is done")
			}
			time.Sleep(3 * time.Minute)
		}
		if got := len(w.results()); got != 1 {
			t.Errorf("the device was told %d times that it is being tried, want once", got)
		}
		if again := w.queue(body(e)); again != nil {
			t.Errorf("messages %v must come again", again)
		}
		want(t, w.last(), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// A fault in one message is no fault of the others.
func TestQueueSurvivesAPanic(t *testing.T) {
	bubble(t, func(w *world) {
		good := w.DRS
		w.DRS = &faultyDRS{DRS: good, order: func(ctx context.Context, slot string) (*drs.ReplenishResult, error) {
			if slot == "bag" {
				panic("canary")
			}
			return good.Replenish(ctx, w.keeper.token, slot)
		}}
		if again := w.queue(body(pressed("bag", "1")), body(pressed("filter", "2"))); !slices.Equal(again, []int{0}) {
			t.Errorf("messages %v must come again, want 0", again)
		}
		want(t, w.last(), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

func TestEmptyBatch(t *testing.T) {
	bubble(t, func(w *world) {
		if again := w.queue(); again != nil {
			t.Errorf("messages %v must come again", again)
		}
	})
}
