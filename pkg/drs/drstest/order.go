package drstest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// How long an order stays what it is. The first two are Amazon's, the third is not known:
// it takes some days.
//
// Source: developer.amazon.com/docs/dash/amazon-order-resolution-flow.html
const (
	CancelWindow     = 24 * time.Hour     // from OrderPlaced to ItemShipped
	ResolutionWindow = 72 * time.Hour     // for the customer to solve a problem
	DeliveryTime     = 4 * 24 * time.Hour // from OrderPlaced to the estimated delivery
)

// OrderState is how far an order has come.
type OrderState string

// The states. While an order is in one of the first three, its slot is locked.
const (
	Problem   OrderState = "problem"   // waits for the customer; DRS says Processing
	Placed    OrderState = "placed"    // may be cancelled; DRS says Processing
	Shipped   OrderState = "shipped"   // on its way, or a test order that was never cancelled
	Delivered OrderState = "delivered" // DRS says Shipped
	Cancelled OrderState = "cancelled"
)

// Order is what a replenish led to.
type Order struct {
	ID     string     `json:"id"` // event instance ID
	Device Device     `json:"device"`
	Slot   Slot       `json:"slot"` // as it was when it was ordered
	State  OrderState `json:"state"`
	At     time.Time  `json:"at"`    // when it was ordered
	Since  time.Time  `json:"since"` // when it came into its state
	// EstimatedDelivery is zero while there is a problem.
	EstimatedDelivery time.Time `json:"estimated_delivery,omitzero"`
}

// Open reports whether the order locks its slot.
func (o *Order) Open() bool { return o.State == Problem || o.State == Placed || o.State == Shipped }

// lock is what an open order locks: the slot, for this customer.
type lock struct {
	device         deviceKey
	customer, slot string
}

func (o *Order) lock() lock { return lock{o.Device.key(), o.Device.CustomerID, o.Slot.ID} }

// place makes an order out of one that was asked for or had a problem.
func (o *Order) place(at time.Time) {
	o.State, o.Since, o.EstimatedDelivery = Placed, at, at.Add(DeliveryTime)
}

// due returns when time alone moves the order on; zero is never.
func (o *Order) due(sw Switches) time.Time {
	switch {
	case o.State == Problem:
		return o.Since.Add(ResolutionWindow)
	case o.State == Placed:
		return o.Since.Add(CancelWindow)
	case o.State == Shipped && !o.Device.Test:
		return o.EstimatedDelivery
	case o.State == Shipped && sw.TestOrdersEnd:
		return o.Since
	}
	return time.Time{}
}

// step is what time does to an order that is due.
func (c *change) step(o *Order, at time.Time) {
	switch o.State {
	case Problem:
		c.move(o, Cancelled, at)
	case Placed:
		c.move(o, Shipped, at)
	case Shipped:
		c.move(o, Delivered, at)
	}
}

// move puts an order into a later state and notifies, where DRS does. There is no
// notification of a delivery.
func (c *change) move(o *Order, to OrderState, at time.Time) {
	next := *o
	next.State, next.Since = to, at
	switch to {
	case Placed:
		next.place(at)
		c.notify(at, orderPlaced, next.Device, &next, nil)
	case Shipped:
		c.notify(at, itemShipped, next.Device, &next, nil)
	case Cancelled:
		c.notify(at, orderCancelled, next.Device, &next, nil)
	}
	c.orders[next.ID] = &next
}

// Ship sends a placed order off before its time.
//
// Errors: an unknown order, or one that isn't placed; that of [Options.Save]. So are those
// of Deliver, Cancel and Resolve.
func (s *Server) Ship(id string) error { return s.move(id, Shipped, Placed) }

// Deliver hands over an order that was shipped. Its slot is free.
func (s *Server) Deliver(id string) error { return s.move(id, Delivered, Shipped) }

// Cancel is the customer who cancels an order that hasn't shipped. Its slot is free.
func (s *Server) Cancel(id string) error { return s.move(id, Cancelled, Placed, Problem) }

// Resolve is the customer who solves the problem of an order: it is placed.
func (s *Server) Resolve(id string) error { return s.move(id, Placed, Problem) }

func (s *Server) move(id string, to OrderState, from ...OrderState) error {
	return s.update(func(c *change) error {
		o := s.st.orders[id]
		switch {
		case o == nil:
			return fmt.Errorf("there is no order %.80q", id)
		case !slices.Contains(from, o.State):
			return fmt.Errorf("order %.80q is %s, it can't be %s", id, o.State, to)
		}
		c.move(o, to, c.at)
		return nil
	})
}

// Order returns an order by its event instance ID.
func (s *Server) Order(id string) (Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.st.orders[id]
	if o == nil {
		return Order{}, false
	}
	return *o, true
}

// Orders lists the orders, the oldest first: see [Options.MaxOrders].
func (s *Server) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Order, 0, len(s.st.orders))
	for _, o := range s.st.orders {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b Order) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return list
}
