package drstest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"
)

// replenish answers POST /replenish/{slotId}.
func replenish(c *change, q *request, r *Registration) reply {
	type result struct {
		EventInstanceID string `json:"eventInstanceId"`
		DetailCode      string `json:"detailCode"`
	}
	slot := r.slot(q.params[0])
	switch {
	case slot == nil:
		return refuse(http.StatusNotFound, "The slot does not exist", "unknown slot")
	case !slot.Subscribed:
		return refuse(http.StatusBadRequest, "Unable to place order - slot : <"+slot.ID+"> is unsubscribed.", "unsubscribed")
	}
	o := &Order{ID: newOrderID(), Device: r.Device, Slot: *slot, State: Problem, At: c.at, Since: c.at}
	if open := c.s.st.open[o.lock()]; open != "" {
		if c.s.st.switches.FreshInProgressID {
			open = newOrderID()
		}
		return done(q, result{open, "ORDER_INPROGRESS"}, "in progress")
	}
	c.orders[o.ID] = o
	if r.Test || !c.s.st.switches.OrderProblem {
		c.move(o, Placed, c.at)
	}
	if r.Test {
		return done(q, result{o.ID, "TEST_ORDER_PLACED"}, "test order placed")
	}
	return done(q, result{o.ID, "STANDARD_ORDER_PLACED"}, "order placed")
}

func newOrderID() string { return "amzn1.dash.v2.o." + rand.Text() }

// orderInfo answers GET /getOrderInfo/{eventInstanceId}.
func orderInfo(c *change, q *request, r *Registration) reply {
	o := c.order(q.params[0])
	if o == nil || o.Device.key() != r.key() || o.Device.CustomerID != r.CustomerID {
		return refuse(http.StatusBadRequest, "There is no such order", "unknown order")
	}
	status := map[OrderState]string{
		Problem: "Processing", Placed: "Processing", Shipped: "Shipped", Delivered: "Shipped", Cancelled: "Cancelled",
	}[o.State]
	var delivery *string
	if !o.EstimatedDelivery.IsZero() {
		text := o.EstimatedDelivery.Format("2006-01-02T15:04:05.000Z")
		delivery = &text
	}
	type item struct {
		ASIN             string  `json:"asin"`
		ExpectedDelivery *string `json:"expectedDeliveryDate"`
		Quantity         float64 `json:"quantity"`
		SlotID           string  `json:"slotId"`
		Status           string  `json:"status"`
	}
	return done(q, map[string]any{"orderInfoData": map[string]any{
		"instanceId": o.ID,
		"orderItems": []item{{o.Slot.ASIN, delivery, o.Slot.Quantity, o.Slot.ID, status}},
	}}, "order is "+string(o.State))
}

// subscriptionInfo answers GET /subscriptionInfo in both versions.
func subscriptionInfo(_ *change, q *request, r *Registration) reply {
	return done(q, slotsSubscriptionStatus(r.Slots, q.result() == subscriptionV1), "subscriptions")
}

// product is an item as DRS writes it.
type product struct {
	Quantity          decimal `json:"quantity"`
	Unit              string  `json:"unit"`
	ASIN              string  `json:"asin,omitempty"`
	EstimatedDelivery string  `json:"estimatedDeliveryDate,omitempty"`
}

// slotsSubscriptionStatus is the answer of subscriptionInfo, and a part of a notification.
func slotsSubscriptionStatus(slots []Slot, v1 bool) any {
	type subscription struct {
		Subscribed bool      `json:"subscribed"`
		Products   []product `json:"productInfoList"`
	}
	status := map[string]any{}
	for _, s := range slots {
		status[s.ID] = s.Subscribed
		if !v1 {
			status[s.ID] = subscription{s.Subscribed, []product{{Quantity: decimal(s.Quantity), Unit: s.Unit, ASIN: s.ASIN}}}
		}
	}
	return map[string]any{"slotsSubscriptionStatus": status}
}

// slotStatus answers POST /slotStatus/{slotId}.
func slotStatus(c *change, q *request, r *Registration) reply {
	slot := r.slot(q.params[0])
	if slot == nil {
		if c.s.st.switches.SlotStatusNotFound {
			return refuse(http.StatusNotFound, "The slot does not exist", "unknown slot")
		}
		return refuse(http.StatusBadRequest, "The slot does not exist", "unknown slot")
	}
	var report SlotReport
	if !decodeObject(q.body, &report) || !isDate(report.ExpectedReplenishment) || !isDate(report.LastUse) {
		return refuse(http.StatusBadRequest, "The body must be a JSON object with numbers and ISO 8601 dates", "bad body")
	}
	missing := report.ExpectedReplenishment == nil || report.LastUse == nil || report.Remaining == nil || report.Original == nil
	if missing && c.s.st.switches.StrictSlotStatus {
		return refuse(http.StatusBadRequest, "Only totalQuantityOnHand may be left out", "missing field")
	}
	report.At = c.at
	if r.Reports == nil {
		r.Reports = map[string]SlotReport{}
	}
	r.Reports[slot.ID] = report
	return acknowledge(c, q, "slot status taken")
}

// deviceStatus answers POST /deviceStatus.
func deviceStatus(c *change, q *request, r *Registration) reply {
	var body struct {
		LastActive *string `json:"mostRecentlyActiveDate"`
	}
	if !decodeObject(q.body, &body) || body.LastActive == nil || !isDate(body.LastActive) {
		return refuse(http.StatusBadRequest, "The body must be a JSON object with the ISO 8601 date mostRecentlyActiveDate", "bad body")
	}
	r.LastActive = *body.LastActive
	return acknowledge(c, q, "device status taken")
}

func decodeObject(body []byte, v any) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(body, &object) == nil && object != nil && json.Unmarshal(body, v) == nil
}

// isDate takes what Amazon's pages and samples have; nil is a date that was left out.
func isDate(s *string) bool {
	if s == nil {
		return true
	}
	_, err := time.Parse(time.RFC3339, *s)
	_, errDay := time.Parse(time.DateOnly, *s)
	return err == nil || errDay == nil
}

// deregister answers DELETE /registration.
func deregister(c *change, q *request, r *Registration) reply {
	c.deregister(r)
	return acknowledge(c, q, "deregistered")
}

// deregisterV1 answers the path that names the device again.
func deregisterV1(c *change, q *request, r *Registration) reply {
	if q.params[0] != r.Model || q.params[1] != r.Serial {
		return refuse(http.StatusBadRequest, "The token is for another device", "another device")
	}
	return deregister(c, q, r)
}

// cancelTestOrders answers DELETE /testOrders, for all slots or one.
func cancelTestOrders(c *change, q *request, r *Registration) reply {
	if !r.Test && !c.s.st.switches.CancelRealOrders {
		return refuse(http.StatusBadRequest, "The device is not a test device", "no test device")
	}
	slots := r.Slots
	if len(q.params) == 1 {
		slot := r.slot(q.params[0])
		if slot == nil {
			return refuse(http.StatusBadRequest, "The slot does not exist", "unknown slot")
		}
		slots = []Slot{*slot}
	}
	type status struct {
		OrderStatus string `json:"orderStatus"`
		SlotID      string `json:"slotId"`
	}
	statuses := make([]status, 0, len(slots))
	for _, slot := range slots {
		c.free(r, slot.ID)
		statuses = append(statuses, status{"NO_ORDER_IN_PROGRESS", slot.ID})
	}
	return done(q, map[string]any{"slotOrderStatuses": statuses}, "test orders cancelled")
}

// free ends the open order of a slot, if there is one.
func (c *change) free(r *Registration, slot string) {
	o := c.order(c.s.st.open[lock{r.key(), r.CustomerID, slot}])
	if o == nil {
		return
	}
	next := *o
	next.State, next.Since = Cancelled, c.at
	c.orders[o.ID] = &next
	if c.s.st.switches.CancelTestNotifies {
		c.notify(c.at, orderCancelled, r.Device, &next, nil)
	}
}
