package replenish_test

import (
	"context"
	"testing"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// belongsTo has a customer pair the device.
func (w *world) belongsTo(customer, grant string) {
	w.Helper()
	w.register(store.Active, "")
	reg := w.registration()
	reg.CustomerID, reg.Grant = customer, grant
	if err := w.store.Put(context.Background(), reg); err != nil {
		w.Fatal(err)
	}
}

// A press that is tried for hours is for the customer who had the device then.
func TestPressOfAnotherCustomer(t *testing.T) {
	for _, tt := range []struct {
		name, next string
		trouble    drstest.Kind
		outcome    message.Outcome
		code       string
		orders     int
	}{
		{"another", "amzn1.account.B", drstest.Throttled, message.Failed, "PAIRED_ANEW", 0},
		{"another, and it may have ordered", "amzn1.account.B", drstest.DropBefore, message.Failed, "ORDER_OUTCOME_UNKNOWN", 0},
		{"the same", "amzn1.account.A", drstest.Throttled, message.Ordered, "STANDARD_ORDER_PLACED", 1},
		{"nobody knows", "", drstest.Throttled, message.Ordered, "STANDARD_ORDER_PLACED", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.belongsTo("amzn1.account.A", "first")
				w.script(drstest.RouteReplenish, tt.trouble)
				e := pressed("filter", "1")
				if w.Rule(w.Context(), e) == nil {
					t.Fatal("with DRS in trouble the press is done")
				}
				w.belongsTo(tt.next, "second")
				if err := w.queue(body(e)); err != nil {
					t.Fatal(err)
				}
				want(t, w.last(), tt.outcome, tt.code)
				w.wantOrders(tt.orders)
			})
		})
	}
}
