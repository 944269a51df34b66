package replenish_test

import (
	"context"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// After a lost answer the order that was made counts as that of the press.
func TestLostAnswer(t *testing.T) {
	for _, kind := range []drstest.Kind{drstest.DropAfter, drstest.Truncated} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.script(drstest.RouteReplenish, kind)
				want(t, w.putOff("filter", "1"), message.Retrying, "DRS_UNAVAILABLE")
				time.Sleep(3 * time.Hour)
				r := w.done("filter", "1")
				want(t, r, message.Ordered, "ORDER_INPROGRESS")
				w.wantOrders(1)
				if got := w.drs.Orders()[0].ID; r.InstanceID != got || r.Replayed {
					t.Errorf("result = %+v, want the order's instance ID %s, and not replayed", r, got)
				}
				if m := w.message("1"); m.Attempts != 2 {
					t.Errorf("attempts = %d, want 2", m.Attempts)
				}
			})
		})
	}
}

// Nothing was done at DRS, so the retry makes the first order.
func TestLostRequest(t *testing.T) {
	for _, kind := range []drstest.Kind{drstest.DropBefore, drstest.ServerTrouble, drstest.Unavailable, drstest.HTML} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.script(drstest.RouteReplenish, kind)
				w.putOff("filter", "1")
				time.Sleep(3 * time.Hour)
				want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
				w.wantOrders(1)
			})
		})
	}
}

// A DRS that doesn't answer is given up in time to tell the device and end the function.
func TestDRSHangs(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.Hang)
		start := time.Now()
		w.putOff("filter", "1")
		if took := time.Since(start); took > 25*time.Second {
			t.Errorf("the press took %v, the function has 29 s", took)
		}
		want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// A function that is about to end must not begin an order whose answer it won't hear.
func TestNoOrderIsBegunTooLate(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
		defer cancel()
		if err := w.Rule(ctx, pressed("filter", "1")); err == nil {
			t.Error("Rule() = nil, want an error that brings the message back")
		}
		w.wantCalls(0)
		if m := w.message("1"); m.Unknown || m.Attempts != 0 {
			t.Errorf("stored message = %+v, want one that was never sent", m)
		}
		want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// Once the slot may be free again, the same call could be a second order.
func TestNoSecondOrderAfterTheWindow(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.DropAfter)
		w.putOff("filter", "1")
		time.Sleep(6 * 24 * time.Hour) // the order has been delivered
		want(t, w.done("filter", "1"), message.Failed, "ORDER_OUTCOME_UNKNOWN")
		w.wantCalls(1)
		w.wantOrders(1)
		want(t, w.done("filter", "2"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// The window begins with the first call that may have ordered, not with the press.
func TestWindowBeginsWithTheDoubt(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		code  string
	}{{239 * time.Minute, "ORDER_INPROGRESS"}, {241 * time.Minute, "ORDER_OUTCOME_UNKNOWN"}} {
		bubble(t, func(w *world) {
			w.script(drstest.RouteReplenish, drstest.Throttled, drstest.DropAfter, drstest.ServerTrouble)
			w.putOff("filter", "1")
			time.Sleep(10 * time.Hour)
			w.putOff("filter", "1") // ordered, answer lost
			time.Sleep(2 * time.Hour)
			w.putOff("filter", "1")
			time.Sleep(tt.after - 2*time.Hour)
			if got := w.done("filter", "1").DetailCode; got != tt.code {
				t.Errorf("detail code after %v = %s, want %s", tt.after, got, tt.code)
			}
			w.wantOrders(1)
		})
	}
}

// What was never in doubt may be tried for as long as the queue brings it.
func TestNoWindowWithoutDoubt(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.Throttled, drstest.Throttled)
		w.putOff("filter", "1")
		time.Sleep(3 * 24 * time.Hour)
		w.putOff("filter", "1")
		time.Sleep(3 * 24 * time.Hour)
		want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// A customer who cancels the order must not get it again from our retry.
func TestNotifiedOrderIsNotMadeAgain(t *testing.T) {
	for _, late := range []time.Duration{time.Minute, 5 * 24 * time.Hour} {
		bubble(t, func(w *world) {
			w.script(drstest.RouteReplenish, drstest.DropAfter)
			w.putOff("filter", "1")
			order := w.drs.Orders()[0]
			if err := w.drs.Cancel(order.ID); err != nil {
				t.Fatal(err)
			}
			w.note("filter", order.ID, order.At)
			time.Sleep(late)
			r := w.done("filter", "1")
			want(t, r, message.Ordered, "ORDER_NOTIFIED")
			if r.InstanceID != order.ID {
				t.Errorf("instance ID = %q, want that of the notified order, %q", r.InstanceID, order.ID)
			}
			w.wantCalls(1)
			w.wantOrders(1)
		})
	}
}

// note is DRS notifying that an order for a slot was placed.
func (w *world) note(slot, instance string, at time.Time) {
	w.Helper()
	if err := placed.Note(w.Context(), w.store, vac, slot, instance, at); err != nil {
		w.Fatal(err)
	}
}

// An older order of the slot, or one of another slot, says nothing of this press.
func TestOtherOrdersDecideNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.DropBefore)
		w.note("filter", "earlier", time.Now().Add(-100*time.Millisecond))
		w.putOff("filter", "1")
		w.note("bag", "other", time.Now())
		want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// While the notifications can't be looked up, DRS is not asked: the order might be
// there, and cancelled.
func TestNotificationsMustBeReadable(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.DropAfter)
		w.putOff("filter", "1")
		w.store.before = down("get", new(store.Order))
		want(t, w.putOff("filter", "1"), message.Retrying, "STORE_UNAVAILABLE")
		w.wantCalls(1)
		w.store.before = nil
		want(t, w.done("filter", "1"), message.Ordered, "ORDER_INPROGRESS")
	})
}

// A refusal tells the device what to do now, and that an order may have been made before.
func TestRefusalAfterDoubt(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*world)
		outcome message.Outcome
	}{
		"unsubscribed": {func(w *world) {
			if err := w.drs.Subscribe(model, serial, "filter", false); err != nil {
				w.Fatal(err)
			}
		}, message.NotSubscribed},
		"grant ended":  {func(w *world) { w.register(store.GrantEnded, store.ReasonConsentWithdrawn) }, message.GrantEnded},
		"deregistered": {func(w *world) { w.register(store.Deregistered, store.ReasonDeregistered) }, message.NotRegistered},
		"bad request":  {func(w *world) { w.answer(nil, &drs.Error{StatusCode: 400, Message: "no"}) }, message.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.script(drstest.RouteReplenish, drstest.DropAfter)
				w.putOff("filter", "1")
				tt.change(w)
				want(t, w.done("filter", "1"), tt.outcome, "ORDER_OUTCOME_UNKNOWN")
			})
		})
	}
}

// The order is made, and then the store is gone: the retry finds the order at DRS.
func TestOrderMadeButNotStored(t *testing.T) {
	bubble(t, func(w *world) {
		claimed := false
		w.store.before = func(op string, rec store.Record) error {
			if _, ok := rec.(*store.Message); !ok || op != "put" {
				return nil
			}
			if !claimed {
				claimed = true
				return nil
			}
			return errStoreDown
		}
		r, err := w.press("filter", "1")
		want(t, r, message.Ordered, "STANDARD_ORDER_PLACED") // the device hears it all the same
		if err == nil {
			t.Fatal("Rule() = nil although nothing was stored")
		}
		w.store.before = nil
		if r, err := w.press("filter", "1"); err == nil || r.Outcome != message.Retrying {
			t.Errorf("while the claim lasts: %+v, %v; want retrying", r, err)
		}
		time.Sleep(time.Minute)
		want(t, w.done("filter", "1"), message.Ordered, "ORDER_INPROGRESS")
		w.wantOrders(1)
	})
}

// A claim that was left behind by a function that died may have ordered.
func TestClaimLeftBehind(t *testing.T) {
	for name, ordered := range map[string]bool{"before the order": false, "after the order": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				good := w.DRS
				w.DRS = &faultyDRS{DRS: good, order: func(ctx context.Context, slot string) (*drs.ReplenishResult, error) {
					if ordered {
						if _, err := good.Replenish(ctx, w.keeper.token, slot); err != nil {
							t.Error(err)
						}
					}
					panic("killed")
				}}
				func() {
					defer func() { _ = recover() }()
					_ = w.Rule(w.Context(), pressed("filter", "1"))
				}()
				w.DRS = good
				if m := w.message("1"); m.State != store.Claimed || m.Attempts != 1 {
					t.Fatalf("left behind: %+v", m)
				}
				want(t, w.putOff("filter", "1"), message.Retrying, "UNDER_WAY")
				time.Sleep(time.Minute)
				code := "STANDARD_ORDER_PLACED"
				if ordered {
					code = "ORDER_INPROGRESS"
				}
				want(t, w.done("filter", "1"), message.Ordered, code)
				w.wantOrders(1)
			})
		})
	}
}

// One written under a clock that was wrong by hours does not block its message for hours.
func TestClaimFromTheFuture(t *testing.T) {
	bubble(t, func(w *world) {
		m := &store.Message{
			Thing: vac, ID: "1", Slot: "filter", State: store.Claimed, Attempts: 1,
			ClaimUntil: time.Now().Add(3 * time.Hour),
		}
		if err := w.store.Put(w.Context(), m); err != nil {
			t.Fatal(err)
		}
		w.done("filter", "1")
	})
}

// A process that stood still after its claim must not order: another may have by now.
func TestStalledClaim(t *testing.T) {
	bubble(t, func(w *world) {
		stood := 40 * time.Second
		w.Now = func() time.Time { return time.Now().Add(stood * time.Duration(min(w.keeper.asked, 1))) }
		want(t, w.putOff("filter", "1"), message.Retrying, "DRS_UNAVAILABLE")
		w.wantCalls(0)
	})
}

// One that stood still while DRS answered knows more than whoever has taken over.
func TestLateResult(t *testing.T) {
	for name, tt := range map[string]struct {
		late, other message.Outcome // of the late answer; of whoever took over
		stored      message.Outcome
	}{
		"an order beats a retry": {message.Ordered, message.Retrying, message.Ordered},
		"a retry gives way":      {message.Retrying, message.Retrying, message.Retrying},
		"what is final stays":    {message.Ordered, message.Failed, message.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) {
					m := w.message("1")
					m.Unknown, m.Attempts, m.ClaimUntil = true, 2, time.Time{}
					m.State, m.Result = store.Retrying, message.Result{ID: "1", Thing: vac, Slot: "filter", Outcome: tt.other, DetailCode: "OTHER"}
					if tt.other.Final() {
						m.State = store.Done
					}
					if err := w.store.Put(w.Context(), m); err != nil {
						t.Error(err)
					}
					if tt.late == message.Retrying {
						return nil, &drs.Error{StatusCode: 429}
					}
					return &drs.ReplenishResult{EventInstanceID: "amzn1.x", DetailCode: drs.StandardOrderPlaced}, nil
				}}
				status, r := w.post(`{"slot":"filter","id":"1"}`)
				if wantStatus := map[bool]int{true: 200, false: 202}[tt.stored.Final()]; status != wantStatus || r.Outcome != tt.stored {
					t.Errorf("answer = %d %s, want %d %s", status, r.Outcome, wantStatus, tt.stored)
				}
				if m := w.message("1"); m.Result.Outcome != tt.stored || !tt.stored.Final() && !m.Unknown {
					t.Errorf("stored message = %+v, want %s", m, tt.stored)
				}
			})
		})
	}
}
