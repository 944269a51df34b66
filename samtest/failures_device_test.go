//go:build sam

package samtest_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/samtest/pump"
)

// pressed is what the IoT rule makes of a press.
func pressed(id string) []byte { return pressedAt(id, time.Now()) }

func pressedAt(id string, at time.Time) []byte {
	data, _ := json.Marshal(message.Replenish{Slot: "filter", ID: id}) // two texts
	event, _ := json.Marshal(message.RuleEvent{                        // always marshals
		Data: data, Thing: vac, Action: message.ActionReplenish, ClientID: vac, Principal: "ab12", TraceID: "trace-" + id,
		ReceivedAt: at.UnixMilli(),
	})
	return event
}

// press is the button, pressed once, and the IoT rule.
func (w *trouble) press(id string) error {
	w.Helper()
	err := w.Async(w.Context(), press, pressed(id))
	if _, failed := errors.AsType[*pump.Failure](err); !failed {
		w.must(err)
	}
	return err
}

// later lets time pass for what is stored of the device: whatever waits for a time comes
// that much closer to it.
func (w *trouble) later(d time.Duration, ids ...string) {
	w.Helper()
	reg := w.registration()
	earlier(reg, d)
	w.must(w.Store.Put(w.Context(), reg))
	for _, id := range ids {
		m := w.message(id)
		earlier(m, d)
		w.must(w.Store.Put(w.Context(), m))
	}
}

// earlier moves all times of a record back.
func earlier(record any, d time.Duration) {
	members := reflect.ValueOf(record).Elem()
	for i := range members.NumField() {
		if at, ok := members.Field(i).Addr().Interface().(*time.Time); ok && !at.IsZero() {
			*at = at.Add(-d)
		}
	}
}

func (w *trouble) message(id string) *store.Message {
	w.Helper()
	m := &store.Message{Thing: vac, ID: id}
	w.must(w.Store.Get(w.Context(), m))
	return m
}

func (w *trouble) registration() *store.Registration {
	w.Helper()
	reg := &store.Registration{Thing: vac}
	w.must(w.Store.Get(w.Context(), reg))
	return reg
}

// wantOrdered checks that a press came to its one order, and that nothing of it is left
// in a queue.
func (w *trouble) wantOrdered(id string) {
	w.Helper()
	if m := w.message(id); m.State != store.Done || m.Result.Outcome != message.Ordered {
		w.Errorf("press %s is %s: %s %s; want it ordered", id, m.State, m.Result.Outcome, m.Result.DetailCode)
	}
	if n := w.in("RetryQueue"); n != 0 {
		w.Errorf("%d messages are left in the retry queue", n)
	}
	w.wantOrders(1)
}

func (w *trouble) wantOrders(n int) {
	w.Helper()
	s, err := w.Amazon.State(w.Context())
	w.must(err)
	if len(s.Orders) != n {
		w.Errorf("%d orders at DRS, want %d: %v", len(s.Orders), n, s.Orders)
	}
}

// wantActive checks that the device has its grant.
func (w *trouble) wantActive() {
	w.Helper()
	if reg := w.registration(); reg.Status != store.Active || reg.RefreshToken == "" {
		w.Errorf("the registration is %s (%s), want it active with its refresh token", reg.Status, reg.Reason)
	}
}

// wantCounted checks that the functions have counted something.
func (w *trouble) wantCounted(name string, dimensions ...string) {
	w.Helper()
	want := map[string]string{}
	for i := 0; i < len(dimensions); i += 2 {
		want[dimensions[i]] = dimensions[i+1]
	}
	found := false
	w.counted(w.logged, func(line map[string]any) {
		n, ok := line[name].(float64)
		found = found || ok && n > 0 && fits(line, want)
	})
	if !found {
		w.Errorf("nothing is counted as %s %v", name, dimensions)
	}
}
