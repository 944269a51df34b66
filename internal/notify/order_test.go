package notify_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/store"
)

// The life of an order as DRS tells it.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	if err := w.drs.Register(device()); err != nil {
		t.Fatal(err)
	}
	w.take(w.drain()...)
	w.told.events = nil
	r, err := w.drs.Client().Replenish(t.Context(), "Atza|canary", "filter")
	if err != nil {
		t.Fatal(err)
	}
	placedAt := w.clock
	w.take(w.drain()...)
	want := &store.Order{
		Meta: store.Meta{Version: 1}, Thing: vac, InstanceID: r.EventInstanceID, Slot: "filter", Status: "placed",
		Product: "B00EXAMPLE", ExpectedDelivery: "2026-01-12T10:10:00Z", At: placedAt,
	}
	if diff := cmp.Diff(want, w.order(r.EventInstanceID)); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
	w.clock = w.clock.Add(25 * time.Hour)
	if err := w.drs.Tick(); err != nil {
		t.Fatal(err)
	}
	w.take(w.drain()...)
	if got := w.order(r.EventInstanceID); got.Status != "shipped" {
		t.Errorf("status = %s, want shipped", got.Status)
	}
	if diff := cmp.Diff([]event{
		{vac, "order", message.Order{Thing: vac, Slot: "filter", InstanceID: r.EventInstanceID, Status: "placed", ExpectedDelivery: "2026-01-12T10:10:00Z", At: placedAt}},
		{vac, "order", message.Order{Thing: vac, Slot: "filter", InstanceID: r.EventInstanceID, Status: "shipped", ExpectedDelivery: "2026-01-12T10:10:00Z", At: placedAt.Add(24 * time.Hour)}},
	}, w.told.events, cmp.AllowUnexported(event{})); diff != "" {
		t.Errorf("told differs (-want +got):\n%s", diff)
	}
}

// A press whose answer got lost is found by the slot.
func TestPlacedOrderIsNoted(t *testing.T) {
	w := newWorld(t)
	w.take(notice("OrderPlaced", "1", w.clock, orderInfo("o1")))
	for _, tt := range []struct {
		slot string
		from time.Time
		want bool
	}{
		{"filter", w.clock, true},
		{"filter", w.clock.Add(-time.Hour), true},
		{"filter", w.clock.Add(time.Millisecond), false},
		{"bag", w.clock, false},
	} {
		_, got, err := placed.Since(t.Context(), w.store, vac, tt.slot, tt.from)
		if err != nil || got != tt.want {
			t.Errorf("Since(%s, %v) = %v, %v; want %v", tt.slot, tt.from, got, err, tt.want)
		}
	}
	if id, _, err := placed.Since(t.Context(), w.store, vac, "filter", w.clock); err != nil || id != "o1" {
		t.Errorf("instance ID = %q, %v; want o1", id, err)
	}
	// A later notification of an older order changes nothing; nor do other types.
	w.take(notice("OrderPlaced", "2", w.clock.Add(-time.Hour), orderInfo("o0")), notice("ItemShipped", "3", w.clock.Add(time.Hour), orderInfo("o1")))
	for from, want := range map[time.Time]bool{w.clock: true, w.clock.Add(time.Millisecond): false} {
		if _, got, err := placed.Since(t.Context(), w.store, vac, "filter", from); err != nil || got != want {
			t.Errorf("Since(%v) = %v, %v; want %v", from, got, err, want)
		}
	}
}

// SNS may bring the end of an order before its beginning. That it was placed is known then
// too, or a press whose answer got lost would order again.
func TestEndBeforePlaced(t *testing.T) {
	for _, end := range []func(at time.Time) []byte{
		func(at time.Time) []byte { return notice("OrderCancelled", "2", at, cancelInfo("o1")) },
		func(at time.Time) []byte { return notice("ItemShipped", "2", at, orderInfo("o1")) },
	} {
		w := newWorld(t)
		later := w.clock.Add(time.Hour)
		found := func(when string, from time.Time, want bool) {
			t.Helper()
			id, got, err := placed.Since(t.Context(), w.store, vac, "filter", from)
			if err != nil || got != want || got && id != "o1" {
				t.Errorf("%s: Since(%v) = %q, %v, %v; want %v", when, from, id, got, err, want)
			}
		}
		w.take(end(later))
		found("after the end", w.clock, true)
		w.take(notice("OrderPlaced", "1", w.clock, orderInfo("o1")))
		found("after both", w.clock, true)
		found("after both", w.clock.Add(time.Millisecond), false) // not what another press has ordered
		// The end of an order that is known, and not the newest any more, is no news.
		w.take(notice("OrderPlaced", "3", later.Add(time.Hour), orderInfo("o2")), notice("OrderCancelled", "4", later.Add(2*time.Hour), cancelInfo("o1")))
		if id, _, err := placed.Since(t.Context(), w.store, vac, "filter", later); err != nil || id != "o2" {
			t.Errorf("newest = %q, %v; want o2", id, err)
		}
	}
}

// Whatever the order of arrival, the newest state stays.
func TestOrderNeverGoesBack(t *testing.T) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	placed := notice("OrderPlaced", "1", at(1), orderInfo("o1"))
	shipped := notice("ItemShipped", "2", at(3), orderInfo("o1"))
	cancelled := notice("OrderCancelled", "3", at(2), cancelInfo("o1"))
	sameTime := notice("OrderCancelled", "4", at(3), cancelInfo("o1"))
	for name, tt := range map[string]struct {
		bodies [][]byte
		status string
		told   int
		stale  float64
	}{
		"in order":          {[][]byte{placed, cancelled}, "cancelled", 2, 0},
		"backwards":         {[][]byte{cancelled, placed}, "cancelled", 1, 1},
		"shipped first":     {[][]byte{shipped, cancelled, placed}, "shipped", 1, 2},
		"in the same ms":    {[][]byte{shipped, sameTime}, "cancelled", 2, 0},
		"same ms backwards": {[][]byte{sameTime, shipped}, "cancelled", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.take(tt.bodies...)
			if got := w.order("o1"); got.Status != tt.status || got.Slot != "filter" {
				t.Errorf("order = %+v, want %s", got, tt.status)
			}
			if len(w.told.events) != tt.told {
				t.Errorf("told %d times, want %d", len(w.told.events), tt.told)
			}
			w.wantCount("stale", tt.stale)
		})
	}
}

// A cancellation names no product: what is known stays, but nothing will be delivered.
func TestCancelledOrder(t *testing.T) {
	w := newWorld(t)
	w.take(notice("OrderPlaced", "1", start, orderInfo("o1")), notice("OrderCancelled", "2", start.Add(time.Hour), cancelInfo("o1")))
	if got := w.order("o1"); got.Product != "B00EXAMPLE" || got.ExpectedDelivery != "" {
		t.Errorf("order = %+v, want its product and no delivery", got)
	}
}

// Orders go on after the device is deregistered: what was ordered is shipped.
func TestOrderOfDeregisteredDevice(t *testing.T) {
	w := newWorld(t)
	reg := w.registration()
	reg.End(store.Deregistered, store.ReasonByAmazon, w.clock)
	w.put(reg)
	w.take(notice("ItemShipped", "1", w.clock, orderInfo("o1")))
	if got := w.order("o1"); got.Status != "shipped" || len(w.told.events) != 1 {
		t.Errorf("order = %+v, told %v", got, w.told.events)
	}
}

func TestOrderWithoutTime(t *testing.T) {
	w := newWorld(t)
	w.take(notice("OrderPlaced", "1", time.Time{}, orderInfo("o1")))
	if got := w.order("o1"); !got.At.Equal(w.clock) {
		t.Errorf("at = %v, want when it came", got.At)
	}
}
