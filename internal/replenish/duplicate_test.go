package replenish_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// A duplicate gets the first result, by whichever way either came.
func TestDuplicate(t *testing.T) {
	for name, ways := range map[string][2]func(*world) message.Result{
		"mqtt, mqtt":   {mqtt, mqtt},
		"mqtt, https":  {mqtt, https},
		"https, mqtt":  {https, mqtt},
		"https, https": {https, https},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				first := ways[0](w)
				time.Sleep(6 * 24 * time.Hour) // delivered: DRS itself would order again
				second := ways[1](w)
				if first.Replayed || first.Outcome != message.Ordered {
					t.Errorf("first = %+v", first)
				}
				first.Replayed = true
				if second != first {
					t.Errorf("second = %+v, want %+v", second, first)
				}
				w.wantCalls(1)
				w.wantOrders(1)
			})
		})
	}
}

func mqtt(w *world) message.Result { return w.done("filter", "1") }

func https(w *world) message.Result {
	w.Helper()
	status, r := w.post(`{"slot":"filter","id":"1"}`)
	if status != 200 {
		w.Fatalf("status = %d, want 200", status)
	}
	return r
}

func TestPressesWithTheirOwnIDsAreTwo(t *testing.T) {
	bubble(t, func(w *world) {
		w.done("filter", "1")
		want(t, w.done("bag", "2"), message.Ordered, "STANDARD_ORDER_PLACED")
		w.wantOrders(2)
	})
}

func TestIDReused(t *testing.T) {
	bubble(t, func(w *world) {
		first := w.done("filter", "1")
		r := w.done("bag", "1")
		want(t, r, message.Failed, "ID_REUSED")
		if r.Slot != "bag" || r.ID != "1" {
			t.Errorf("result = %+v, want it to name what was asked", r)
		}
		if p := w.problem(w.call("POST", "/v1/replenish", `{"slot":"bag","id":"1"}`)); p.Status != 409 || p.Code != "id_reused" {
			t.Errorf("problem = %+v, want 409 id_reused", p)
		}
		if again := w.done("filter", "1"); again.InstanceID != first.InstanceID {
			t.Errorf("the first result is lost: %+v", again)
		}
		w.wantOrders(1)
	})
}

// Also one whose first is still under way, or will be tried again.
func TestIDReusedBeforeTheFirstIsDone(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.Throttled)
		w.putOff("filter", "1")
		want(t, w.done("bag", "1"), message.Failed, "ID_REUSED")
		want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// slow lets the next replenish take a while.
func (w *world) slow(d time.Duration) {
	w.Helper()
	err := w.drs.Script(drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Slow, Delay: drstest.Duration(d)})
	if err != nil {
		w.Fatal(err)
	}
}

// One that arrives while the first is under way waits for it.
func TestDuplicateWaitsForTheFirst(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow(3 * time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := w.Rule(w.Context(), pressed("filter", "1")); err != nil {
					t.Errorf("Rule() = %v", err)
				}
			})
			all.Go(func() {
				if status, r := w.post(`{"slot":"filter","id":"1"}`); status != 200 || r.Outcome != message.Ordered {
					t.Errorf("answer = %d %+v", status, r)
				}
			})
		}
		all.Wait()
		w.wantCalls(1)
		for _, r := range w.results() {
			want(t, r, message.Ordered, "STANDARD_ORDER_PLACED")
		}
		if len(w.retry.all()) != 0 {
			t.Error("something was queued although all is done")
		}
	})
}

// And only for a few seconds: then it says that it goes on without it.
func TestDuplicateDoesNotWaitForLong(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow(9 * time.Second)
		var first sync.WaitGroup
		first.Go(func() {
			if err := w.Rule(w.Context(), pressed("filter", "1")); err != nil {
				t.Errorf("first: Rule() = %v", err)
			}
		})
		time.Sleep(time.Second)
		start := time.Now()
		status, r := w.post(`{"slot":"filter","id":"1"}`)
		if took := time.Since(start); took < 4*time.Second || took > 7*time.Second {
			t.Errorf("the duplicate waited %v, want a few seconds", took)
		}
		if status != 202 || r.Outcome != message.Retrying || r.DetailCode != "UNDER_WAY" {
			t.Errorf("answer = %d %+v, want 202 retrying", status, r)
		}
		// The first might have died. So the promise is backed by a job, which finds it done.
		queued := w.retry.all()
		if len(queued) != 1 {
			t.Fatalf("%d jobs queued, want 1", len(queued))
		}
		first.Wait()
		if err := w.Rule(w.Context(), queued[0]); err != nil {
			t.Errorf("job: Rule() = %v", err)
		}
		if r := w.last(); r.Outcome != message.Ordered || !r.Replayed {
			t.Errorf("the device was told %+v, want the first result", r)
		}
		w.wantCalls(1)
	})
}

// Who waits is let go by the end of its own time, not only by that of the wait.
func TestWaitEndsWithTheCaller(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow(9 * time.Second)
		var first sync.WaitGroup
		first.Go(func() { _ = w.Rule(w.Context(), pressed("filter", "1")) }) // the other one is looked at
		time.Sleep(time.Second)
		ctx, cancel := contextFor(w, 6*time.Second) // less 4 s to settle
		defer cancel()
		start := time.Now()
		if err := w.Rule(ctx, pressed("filter", "1")); err == nil {
			t.Error("Rule() = nil, want it to come again")
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("waited %v", took)
		}
		first.Wait()
	})
}

// A message ends with a result of its own, which the table keeps for days: an expired
// one is a new message.
func TestMessageIsForgotten(t *testing.T) {
	bubble(t, func(w *world) {
		w.done("filter", "1")
		time.Sleep(store.MessageTTL + time.Second)
		if r := w.done("filter", "1"); r.Replayed {
			t.Error("a message older than its TTL was replayed")
		}
	})
}

// A result that could not be published is not lost: the message comes again, and the
// stored result is told.
func TestResultIsToldAgain(t *testing.T) {
	bubble(t, func(w *world) {
		w.told.fail(errors.New("broker is away"))
		if err := w.Rule(w.Context(), pressed("filter", "1")); err == nil {
			t.Error("Rule() = nil although the device was not told")
		}
		w.told.fail(nil)
		if r := w.done("filter", "1"); !r.Replayed || r.Outcome != message.Ordered {
			t.Errorf("told later: %+v", r)
		}
		w.wantCalls(1)
	})
}

// A write whose answer got lost is our own: it is no conflict with anybody.
func TestStoredTwice(t *testing.T) {
	bubble(t, func(w *world) {
		lost := 0
		w.store.after = func(op string, rec store.Record) error {
			if m, ok := rec.(*store.Message); ok && op == "put" && m.State == store.Done && lost == 0 {
				lost++
				return errStoreDown
			}
			return nil
		}
		if r := w.done("filter", "1"); r.Replayed {
			t.Errorf("result = %+v, want it not to be taken for a duplicate's", r)
		}
		if lost != 1 {
			t.Error("the write was not lost")
		}
	})
}

// The store fails for a moment, just when there is an order to note.
func TestStoreIsTriedAgain(t *testing.T) {
	bubble(t, func(w *world) {
		failures := 2
		w.store.before = func(op string, rec store.Record) error {
			if m, ok := rec.(*store.Message); ok && op == "put" && m.State == store.Done && failures > 0 {
				failures--
				return errStoreDown
			}
			return nil
		}
		w.done("filter", "1")
		if m := w.message("1"); m.State != store.Done {
			t.Errorf("stored state = %s, want done", m.State)
		}
	})
}

func TestWithoutIDTheTraceIDCounts(t *testing.T) {
	event := up(message.ActionReplenish, `{"slot":"filter"}`)
	for name, tt := range map[string]struct {
		trace string
		same  bool // the ID is the trace ID
	}{
		"trace":     {"8f3c6e2a-5b1d-4f7e-9a0c-2d4e6f8a0b1c", true},
		"none":      {"", false},
		"undefined": {"Undefined", false},
		"odd":       {"tra\nce", false},
		"long":      {strings.Repeat("x", 129), false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				e := event
				e.TraceID = tt.trace
				if err := w.Rule(w.Context(), e); err != nil {
					t.Fatal(err)
				}
				first := w.last()
				if (first.ID == tt.trace) != tt.same || first.ID == "" {
					t.Errorf("id = %q for the trace ID %q", first.ID, tt.trace)
				}
				// The event itself may come twice; another one is another press.
				if err := w.Rule(w.Context(), e); err != nil || !w.last().Replayed || w.last().ID != first.ID {
					t.Errorf("the same event again: %v, %+v", err, w.last())
				}
				e.TraceID, e.ReceivedAt = tt.trace+"x", e.ReceivedAt+1
				if err := w.Rule(w.Context(), e); err != nil || w.last().Replayed {
					t.Errorf("another event: %v, %+v", err, w.last())
				}
			})
		})
	}
}
