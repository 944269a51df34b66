package drstest

// Switches are what can be set about the server's behaviour, mostly because it isn't known
// how Amazon behaves. There are no hidden defaults: the zero Switches are the default.
type Switches struct {
	// NotificationsV1 sends notifications in version 1 instead of 2.
	NotificationsV1 bool `json:"notifications_v1"`
	// OrderProblem lets new orders of real devices run into a problem with payment,
	// address or stock: no OrderPlaced until [Server.Resolve], cancelled after 72 hours.
	OrderProblem bool `json:"order_problem"`
	// FreshInProgressID answers ORDER_INPROGRESS with an ID that names no order, instead
	// of the open order's.
	FreshInProgressID bool `json:"fresh_in_progress_id"`
	// EmptyObject answers status calls and deregistrations with {} instead of nothing.
	EmptyObject bool `json:"empty_object"`
	// StrictSlotStatus refuses slot status without all of the fields that Amazon's page
	// asks for, which are all but totalQuantityOnHand.
	StrictSlotStatus bool `json:"strict_slot_status"`
	// SlotStatusNotFound answers slot status for an unknown slot with 404 instead of 400.
	SlotStatusNotFound bool `json:"slot_status_not_found"`
	// TestOrdersEnd frees the slot of a test order once it has shipped, instead of only
	// when it is cancelled.
	TestOrdersEnd bool `json:"test_orders_end"`
	// CancelTestNotifies sends an OrderCancelled for each test order that is cancelled.
	CancelTestNotifies bool `json:"cancel_test_notifies"`
	// CancelRealOrders lets the cancel calls work for real devices, instead of 400.
	CancelRealOrders bool `json:"cancel_real_orders"`
	// ObsoleteTestOrders serves DELETE /testOrders/{slotId} too.
	ObsoleteTestOrders bool `json:"obsolete_test_orders"`
}

// DefaultSwitches returns what is known of Amazon, and the stricter guess where nothing
// is: every switch off.
func DefaultSwitches() Switches { return Switches{} }

// Switches returns the switches as they are.
func (s *Server) Switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.switches
}

// SetSwitches sets all switches.
//
// Errors: that of [Options.Save].
func (s *Server) SetSwitches(sw Switches) error {
	return s.update(func(c *change) error {
		c.switches = &sw
		return nil
	})
}
