package replenish_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// aged is an event that was received some time ago.
func aged(e message.RuleEvent, age time.Duration) message.RuleEvent {
	e.ReceivedAt = time.Now().Add(-age).UnixMilli()
	return e
}

// A dead letter that is put back when its message is forgotten must not order again.
func TestRedrivenAfterTheMemory(t *testing.T) {
	for name, redrive := range map[string]func(*world, message.RuleEvent) bool{
		"rule":           func(w *world, e message.RuleEvent) bool { return w.Rule(w.Context(), e) == nil },
		"queue":          func(w *world, e message.RuleEvent) bool { return w.queue(body(e)) == nil },
		"failure record": func(w *world, e message.RuleEvent) bool { return w.queue(failureRecord(e)) == nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.script(drstest.RouteReplenish, drstest.DropAfter)
				e := pressed("filter", "1")
				if w.Rule(w.Context(), e) == nil {
					t.Fatal("the answer was lost, and the press is done")
				}
				for _, o := range w.drs.Orders() {
					if err := w.drs.Cancel(o.ID); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(store.MessageTTL + time.Hour)
				if !redrive(w, e) {
					t.Error("the dead letter must come again")
				}
				want(t, w.last(), message.Failed, "TOO_OLD")
				w.wantOrders(1)
				if m := w.message("1"); m.State != store.Done || m.Result.DetailCode != "TOO_OLD" {
					t.Errorf("stored message = %+v, want the result", m)
				}
			})
		})
	}
}

func TestAgeOfAPress(t *testing.T) {
	for age, code := range map[time.Duration]string{
		0: "STANDARD_ORDER_PLACED", replenish.MaxAge - time.Minute: "STANDARD_ORDER_PLACED",
		replenish.MaxAge: "TOO_OLD", 13 * 24 * time.Hour: "TOO_OLD",
	} {
		bubble(t, func(w *world) {
			if err := w.Rule(w.Context(), aged(pressed("filter", "1"), age)); err != nil {
				t.Fatal(err)
			}
			if got := w.last().DetailCode; got != code {
				t.Errorf("received %v ago: %s, want %s", age, got, code)
			}
		})
	}
}

// What is known of the message stays: its result, and that it may have ordered.
func TestOldPressWithRecord(t *testing.T) {
	bubble(t, func(w *world) {
		e := pressed("filter", "1")
		if err := w.Rule(w.Context(), e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * replenish.MaxAge)
		if err := w.Rule(w.Context(), e); err != nil {
			t.Fatal(err)
		}
		if r := w.last(); r.Outcome != message.Ordered || !r.Replayed {
			t.Errorf("result = %+v, want the first one", r)
		}
	})
	bubble(t, func(w *world) {
		w.Window = 2 * replenish.MaxAge
		w.script(drstest.RouteReplenish, drstest.DropBefore)
		e := pressed("filter", "1")
		if w.Rule(w.Context(), e) == nil {
			t.Fatal("the call was lost, and the press is done")
		}
		time.Sleep(replenish.MaxAge)
		if err := w.Rule(w.Context(), e); err != nil {
			t.Fatal(err)
		}
		want(t, w.last(), message.Failed, "ORDER_OUTCOME_UNKNOWN")
		w.wantCalls(1)
	})
}

// delivered hands one body to the handler as SQS does, and reports whether it is done.
func (w *world) delivered(body, count string, sent time.Time) bool {
	w.Helper()
	attributes := map[string]string{}
	if count != "" {
		attributes["ApproximateReceiveCount"] = count
	}
	if !sent.IsZero() {
		attributes["SentTimestamp"] = strconv.FormatInt(sent.UnixMilli(), 10)
	}
	response, err := w.Queue(w.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: body, Attributes: attributes}}})
	if err != nil {
		w.Fatal(err)
	}
	return len(response.BatchItemFailures) == 0
}

// The body of an error action doesn't say when its message was received. SQS does.
func TestAgeOfAnErrorAction(t *testing.T) {
	text := errorAction("dash/v1/up/"+vac+"/replenish", `{"slot":"filter","id":"1"}`)
	for name, tt := range map[string]struct {
		count string
		age   time.Duration // 0: SQS doesn't say
		code  string
	}{
		"first":              {"1", time.Minute, "STANDARD_ORDER_PLACED"},
		"first, without age": {"1", 0, "STANDARD_ORDER_PLACED"},
		"old":                {"1", 25 * time.Hour, "TOO_OLD"},
		"again, unknown":     {"2", 0, "TOO_OLD"},
		"unknown":            {"", 0, "TOO_OLD"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				var sent time.Time
				if tt.age > 0 {
					sent = time.Now().Add(-tt.age)
				}
				if !w.delivered(text, tt.count, sent) {
					t.Error("the message must come again")
				}
				if got := w.last().DetailCode; got != tt.code {
					t.Errorf("detail code = %s, want %s", got, tt.code)
				}
			})
		})
	}
}

// A dead letter put back has a new time in SQS. So a message whose body has none is put in
// anew, with the time, before it can become one.
func TestErrorActionGetsItsTime(t *testing.T) {
	text := errorAction("dash/v1/up/"+vac+"/replenish", `{"slot":"filter"}`)
	for _, count := range []string{"1", "2"} {
		bubble(t, func(w *world) {
			w.script(drstest.RouteReplenish, drstest.Throttled)
			sent := time.Now().Add(-time.Minute)
			w.retry.err = errStoreDown
			if w.delivered(text, count, sent) {
				t.Error("done, although it could not be put in anew")
			}
			w.retry.err = nil
			if !w.delivered(text, "2", sent) {
				t.Error("the body without time must come again")
			}
			queued := w.retry.all()
			if len(queued) != 1 || queued[0].ReceivedAt != sent.UnixMilli() {
				t.Fatalf("queued = %+v, want one with the time of the first", queued)
			}
			time.Sleep(25 * time.Hour)
			if w.queue(body(queued[0])) != nil {
				t.Error("the message must come again")
			}
			want(t, w.last(), message.Failed, "TOO_OLD")
			w.wantOrders(0)
		})
	}
}

// A failure record around an event without time has its own.
func TestAgeOfAFailureRecord(t *testing.T) {
	e := pressed("filter", "1")
	e.ReceivedAt = 0
	bubble(t, func(w *world) {
		at := time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)
		w.Now = func() time.Time { return at.Add(25 * time.Hour) }
		if w.queue(failureRecord(e)) != nil {
			t.Error("the message must come again")
		}
		want(t, w.last(), message.Failed, "TOO_OLD")
	})
}

// A report of hours ago would overwrite a newer one, and nobody waits for the rest.
func TestOldReports(t *testing.T) {
	for action, payload := range map[string]string{
		message.ActionSlotStatus:   `{"slot":"filter","remaining":3}`,
		message.ActionRegistration: `{}`,
		message.ActionPairing:      `{}`,
	} {
		bubble(t, func(w *world) {
			if err := w.Rule(w.Context(), aged(up(action, payload), 2*time.Hour)); err != nil {
				t.Fatal(err)
			}
			if got := w.counted("MessageRefused", "action", action, "reason", "too_old"); got != 1 {
				t.Errorf("%s: %v counted as too old, want 1", action, got)
			}
			if got := w.counted("Report") + float64(len(w.told.all())); got != 0 {
				t.Errorf("%s: something was done for it", action)
			}
			if err := w.Rule(w.Context(), aged(up(action, payload), 30*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := w.counted("Report") + float64(len(w.told.all())); got != 1 {
				t.Errorf("%s of half an hour ago: nothing was done for it", action)
			}
		})
	}
}

// A device says once a day when it was last active. One that Amazon's trouble kept back for
// hours is news, unless a newer one was sent, or the device was paired anew, since then.
func TestOldDeviceStatus(t *testing.T) {
	const morning = `{"last_active":"2000-01-02T09:00:00Z"}`
	for _, tt := range []struct {
		name    string
		since   func(w *world)
		age     time.Duration
		refused bool
	}{
		{"nothing newer", func(*world) {}, 3 * time.Hour, false},
		{"an older one was sent", func(w *world) { w.reportActive("2000-01-02T08:00:00Z") }, 3 * time.Hour, false},
		{"a newer one was sent", func(w *world) { w.reportActive("2000-01-02T11:00:00Z") }, 3 * time.Hour, true},
		{"the same was sent", func(w *world) { w.reportActive("2000-01-02T09:00:00Z") }, 3 * time.Hour, true},
		{"paired anew", func(w *world) { w.register(store.Active, "") }, 3 * time.Hour, true},
		{"a day old", func(*world) {}, 24 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				time.Sleep(36 * time.Hour) // it is noon on 2 January 2000
				tt.since(w)
				sent := w.counted("Report")
				if err := w.Rule(w.Context(), aged(up(message.ActionDeviceStatus, morning), tt.age)); err != nil {
					t.Fatal(err)
				}
				refused := w.counted("MessageRefused", "action", message.ActionDeviceStatus, "reason", "too_old") == 1
				if refused != tt.refused || w.counted("Report")-sent == 1 == tt.refused {
					t.Errorf("refused: %v, sent: %v", refused, w.counted("Report")-sent)
				}
			})
		})
	}
}

// reportActive sends a device status that has just come.
func (w *world) reportActive(at string) {
	w.Helper()
	if rec := w.call("POST", "/v1/device-status", `{"last_active":"`+at+`"}`); rec.Code != 204 {
		w.Fatalf("answer = %d %s", rec.Code, rec.Body)
	}
}
