package drstest_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

const (
	placed     = "STANDARD_ORDER_PLACED"
	testPlaced = "TEST_ORDER_PLACED"
	inProgress = "ORDER_INPROGRESS"
)

func (b sandbox) state(t *testing.T, id string) drstest.OrderState {
	t.Helper()
	o, known := b.Order(id)
	if !known {
		t.Fatalf("there is no order %s", id)
	}
	return o.State
}

func (b sandbox) wantState(t *testing.T, id string, want drstest.OrderState) {
	t.Helper()
	if got := b.state(t, id); got != want {
		t.Fatalf("order is %s, want %s", got, want)
	}
}

// status is what getOrderInfo says of an order.
func (b sandbox) status(t *testing.T, token, id string) drs.OrderItem {
	t.Helper()
	o, err := b.Client().Order(t.Context(), token, id)
	ok(t, err)
	if len(o.Items) != 1 {
		t.Fatalf("order has the items %+v, want one", o.Items)
	}
	return o.Items[0]
}

func TestLifeOfAnOrder(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, token, "filter", placed)
	if !strings.HasPrefix(id, "amzn1.dash.v2.o.") {
		t.Errorf("event instance ID = %q", id)
	}
	if got := b.replenish(t, token, "filter", inProgress); got != id {
		t.Errorf("in progress is %s, want the open order %s", got, id)
	}
	b.replenish(t, token, "bag", placed) // another slot has its own lock
	if got := b.inbox.types(); got != "OrderPlaced OrderPlaced" {
		t.Errorf("notifications = %s", got)
	}
	want := drs.OrderItem{ASIN: "B00EXAMPLE", SlotID: "filter", Status: "Processing", ExpectedDelivery: "2026-01-12T10:00:00.000Z", Quantity: 1}
	if diff := cmp.Diff(want, b.status(t, token, id)); diff != "" {
		t.Errorf("order info (-want +got):\n%s", diff)
	}

	b.travel(t, 24*time.Hour-time.Second)
	b.wantState(t, id, drstest.Placed)
	b.travel(t, time.Second)
	b.wantState(t, id, drstest.Shipped)
	if got := b.inbox.types(); got != "ItemShipped ItemShipped" {
		t.Errorf("notifications = %s", got)
	}
	if got := b.status(t, token, id).Status; got != "Shipped" {
		t.Errorf("status = %s", got)
	}
	b.replenish(t, token, "filter", inProgress)

	b.travel(t, 3*24*time.Hour)
	b.wantState(t, id, drstest.Delivered)
	if got := b.inbox.types(); got != "" {
		t.Errorf("notifications of a delivery = %s, want none", got)
	}
	if got := b.status(t, token, id).Status; got != "Shipped" {
		t.Errorf("status of a delivered order = %s, want Shipped", got)
	}
	if again := b.replenish(t, token, "filter", placed); again == id {
		t.Error("a new order has the old ID")
	}
}

// However far the clock jumps, everything happens in its order and at its time.
func TestLongJump(t *testing.T) {
	b := open(t, drstest.Options{})
	b.replenish(t, token, "filter", placed)
	b.clock.advance(time.Hour)
	ok(t, b.SetSwitches(drstest.Switches{OrderProblem: true}))
	b.replenish(t, token, "bag", placed)
	b.inbox.take()
	b.travel(t, 365*24*time.Hour)
	var got []string
	for _, n := range b.inbox.take() {
		got = append(got, string(n.Type)+" "+n.Order.SlotID+" "+n.Time.Format(time.RFC3339))
	}
	want := []string{
		"ItemShippedNotification filter 2026-01-09T10:00:00Z",
		"OrderCancelledNotification bag 2026-01-11T11:00:00Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	for _, o := range b.Orders() {
		if o.Open() || o.Since.Year() != 2026 || o.Since.Month() != time.January {
			t.Errorf("order = %+v, want it closed in its time", o)
		}
	}
}

// What is due happens with the next call too.
func TestTimePassesWithoutTick(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, token, "filter", placed)
	b.clock.advance(drstest.DeliveryTime)
	if again := b.replenish(t, token, "filter", placed); again == id {
		t.Error("the old order was not delivered")
	}
	if got := b.inbox.types(); got != "OrderPlaced ItemShipped OrderPlaced" {
		t.Errorf("notifications = %s", got)
	}
}

func TestResolutionFlow(t *testing.T) {
	b := open(t, drstest.Options{Switches: &drstest.Switches{OrderProblem: true}})
	solved, unsolved := b.replenish(t, token, "filter", placed), b.replenish(t, token, "bag", placed)
	if got := b.inbox.types(); got != "" {
		t.Errorf("notifications = %s, want none before the problem is solved", got)
	}
	if got := b.status(t, token, solved); got.Status != "Processing" || got.ExpectedDelivery != "" {
		t.Errorf("order info = %+v, want Processing without a date", got)
	}
	b.replenish(t, token, "filter", inProgress)
	b.wantState(t, b.replenish(t, testToken, "filter", testPlaced), drstest.Placed) // nothing is in the way of a test
	if got := b.inbox.types(); got != "OrderPlaced" {
		t.Errorf("notifications = %s", got)
	}

	b.travel(t, 71*time.Hour)
	ok(t, b.Resolve(solved))
	b.wantState(t, solved, drstest.Placed)
	b.travel(t, time.Hour)
	b.wantState(t, unsolved, drstest.Cancelled)
	if got := b.inbox.types(); got != "ItemShipped OrderPlaced OrderCancelled" { // the first is the test's
		t.Errorf("notifications = %s", got)
	}
	if got := b.status(t, token, unsolved).Status; got != "Cancelled" {
		t.Errorf("status = %s", got)
	}
	b.replenish(t, token, "bag", placed)
	b.travel(t, 23*time.Hour) // 24 from when it was solved
	b.wantState(t, solved, drstest.Shipped)
}

func TestByHand(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, token, "filter", placed)
	if b.Deliver(id) == nil || b.Resolve(id) == nil || b.Ship("amzn1.none") == nil {
		t.Error("an order did what it can't")
	}
	ok(t, b.Ship(id))
	if b.Cancel(id) == nil || b.Ship(id) == nil {
		t.Error("a shipped order was cancelled, or shipped again")
	}
	ok(t, b.Deliver(id))
	next := b.replenish(t, token, "filter", placed)
	ok(t, b.Cancel(next))
	b.replenish(t, token, "filter", placed)
	if got := b.inbox.types(); got != "OrderPlaced ItemShipped OrderPlaced OrderCancelled OrderPlaced" {
		t.Errorf("notifications = %s", got)
	}
	b.travel(t, 365*24*time.Hour) // old timers do nothing to orders that moved on
	b.wantState(t, id, drstest.Delivered)
	b.wantState(t, next, drstest.Cancelled)
	if got := b.inbox.types(); got != "ItemShipped" {
		t.Errorf("notifications = %s", got)
	}
}

func TestReplenishRefuses(t *testing.T) {
	b := open(t, drstest.Options{})
	ask := func(slot string) *http.Response {
		return b.ask(t, "POST", "/replenish/"+slot, "DrsReplenishInput@1.0", "DrsReplenishResult@1.0", "", nil)
	}
	wantMessage(t, "unknown slot", ask("nothing"), 404)
	b.replenish(t, token, "bag", placed)
	ok(t, b.Subscribe(device.Model, device.Serial, "bag", false))
	res := ask("bag")
	const want = `{"message":"Unable to place order - slot : <bag> is unsubscribed."}`
	if got := text(t, res); res.StatusCode != 400 || got != want {
		t.Errorf("unsubscribed = %d %s, want 400 %s", res.StatusCode, got, want)
	}
	_, err := b.Client().Replenish(t.Context(), token, "bag")
	if !errors.Is(err, drs.ErrUnsubscribed) {
		t.Errorf("error = %v, want ErrUnsubscribed", err)
	}
	_, err = b.Client().Replenish(t.Context(), token, "nothing")
	if !errors.Is(err, drs.ErrUnknownSlot) {
		t.Errorf("error = %v, want ErrUnknownSlot", err)
	}
	if got := len(b.Orders()); got != 1 {
		t.Errorf("%d orders, want 1", got)
	}
}

func TestFreshInProgressID(t *testing.T) {
	b := open(t, drstest.Options{Switches: &drstest.Switches{FreshInProgressID: true}})
	id := b.replenish(t, token, "filter", placed)
	other := b.replenish(t, token, "filter", inProgress)
	if _, known := b.Order(other); known || other == id {
		t.Errorf("in progress is %s, want an ID that names no order", other)
	}
	wantMessage(t, "order info", b.ask(t, "GET", "/getOrderInfo/"+other, "DrsOrderInfoInput@1.0", "DrsOrderInfoResult@1.0", "", nil), 400)
}

func TestOrderOfAnotherDevice(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, testToken, "filter", testPlaced)
	wantMessage(t, "foreign order", b.ask(t, "GET", "/getOrderInfo/"+id, "DrsOrderInfoInput@1.0", "DrsOrderInfoResult@1.0", "", nil), 400)
}

func TestTestOrders(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, testToken, "filter", testPlaced)
	b.replenish(t, testToken, "filter", inProgress)
	b.travel(t, 30*24*time.Hour)
	if got := b.inbox.types(); got != "OrderPlaced ItemShipped" {
		t.Errorf("notifications = %s", got)
	}
	b.replenish(t, testToken, "filter", inProgress) // until it is cancelled through the API

	slots, err := b.Client().CancelTestOrders(t.Context(), testToken)
	ok(t, err)
	want := []drs.SlotOrder{{SlotID: "bag", Status: drs.NoOrderInProgress}, {SlotID: "filter", Status: drs.NoOrderInProgress}}
	if diff := cmp.Diff(want, slots); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	b.wantState(t, id, drstest.Cancelled)
	b.replenish(t, testToken, "filter", testPlaced)
	b.replenish(t, testToken, "bag", testPlaced)
	slots, err = b.Client().CancelTestOrder(t.Context(), testToken, "bag")
	ok(t, err)
	if diff := cmp.Diff(want[:1], slots); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	b.replenish(t, testToken, "bag", testPlaced)
	b.replenish(t, testToken, "filter", inProgress)
	if got := b.inbox.types(); got != "OrderPlaced OrderPlaced OrderPlaced" {
		t.Errorf("notifications = %s, want none of cancelled test orders", got)
	}
	if _, err := b.Client().CancelTestOrder(t.Context(), testToken, "nothing"); !errors.Is(err, drs.ErrBadRequest) {
		t.Errorf("cancelling an unknown slot = %v", err)
	}
	if _, err := b.Client().CancelTestOrders(t.Context(), token); !errors.Is(err, drs.ErrBadRequest) {
		t.Errorf("cancelling a real device's orders = %v", err)
	}
}

func TestSwitchesOfTestOrders(t *testing.T) {
	b := open(t, drstest.Options{})
	id := b.replenish(t, testToken, "filter", testPlaced)
	ok(t, b.SetSwitches(drstest.Switches{TestOrdersEnd: true, CancelTestNotifies: true, CancelRealOrders: true, ObsoleteTestOrders: true}))
	b.travel(t, 24*time.Hour)
	b.wantState(t, id, drstest.Delivered)
	real := b.replenish(t, token, "filter", placed)
	res := b.ask(t, "DELETE", "/testOrders/filter", "DrsCancelTestOrdersInput@1.0", "DrsCancelTestOrdersResult@1.0", "", nil)
	if got := text(t, res); res.StatusCode != 200 || got != `{"slotOrderStatuses":[{"orderStatus":"NO_ORDER_IN_PROGRESS","slotId":"filter"}]}` {
		t.Errorf("obsolete path = %d %s", res.StatusCode, got)
	}
	b.wantState(t, real, drstest.Cancelled)
	if got := b.inbox.types(); got != "OrderPlaced ItemShipped OrderPlaced OrderCancelled" {
		t.Errorf("notifications = %s", got)
	}
	// An order that had shipped before the switch was thrown ends as well.
	ok(t, b.SetSwitches(drstest.Switches{}))
	shipped := b.replenish(t, testToken, "filter", testPlaced)
	ok(t, b.Ship(shipped))
	ok(t, b.SetSwitches(drstest.Switches{TestOrdersEnd: true}))
	ok(t, b.Tick())
	b.wantState(t, shipped, drstest.Delivered)
}

// One slot, many presses at once: one order.
func TestSlotLock(t *testing.T) {
	b := open(t, drstest.Options{})
	var wg sync.WaitGroup
	codes := make([]string, 50)
	for i := range codes {
		wg.Go(func() {
			r, err := b.Client().Replenish(t.Context(), token, "filter")
			if err != nil {
				t.Errorf("Replenish: %v", err)
				return
			}
			codes[i] = r.DetailCode
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, code := range codes {
		count[code]++
	}
	if diff := cmp.Diff(map[string]int{placed: 1, inProgress: 49}, count); diff != "" {
		t.Errorf("detail codes (-want +got):\n%s", diff)
	}
	if got := b.Calls(drstest.RouteReplenish); got != 50 {
		t.Errorf("calls = %d, want 50", got)
	}
	if got := b.inbox.types(); got != "OrderPlaced" {
		t.Errorf("notifications = %s", got)
	}
}
