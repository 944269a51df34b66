// Package drs is a client for the Amazon Dash Replenishment Service (DRS), and reads
// the notifications that DRS sends.
//
// A [Client] is a literal; the zero Client talks to Amazon. Every call takes the
// access token of one device, got from Login with Amazon for the scope
// dash:replenish. The token names the device, so no call does:
//
//	var client drs.Client
//	result, err := client.Replenish(ctx, accessToken, "filter")
//
// # Ordering
//
// [Client.Replenish] orders what the customer chose for a slot. It spends money, and
// DRS takes no idempotency key. What protects the customer is the slot's lock: while
// an order is open, DRS answers [OrderInProgress] and orders nothing. So after a call
// whose answer was lost, the same call may be made again soon, and OrderInProgress
// then means that the first one worked. Days later the lock may be gone:
// [Client.Order] and the notifications tell what became of the first one.
//
// # Reporting
//
// [Client.SlotStatus] tells how much is left, whenever something was used and once a
// day; [Client.DeviceStatus] is a sign of life, once a day. Both overwrite what was
// told before, so they may be repeated.
//
// # Slots
//
// [Client.Subscriptions] lists the slots of the device and whether the customer
// subscribed to them. Slot IDs are whatever the maker typed into Amazon's portal;
// any text is sent safely.
//
// # Leaving
//
// [Client.Deregister] takes the device off the customer's account and ends its
// tokens. [Client.CancelTestOrders] frees the slots of a test device.
//
// # Notifications
//
// DRS publishes what happens to orders and registrations to an SNS topic of the
// maker's. [ParseNotification] reads the text of such a message, in either version:
//
//	n, err := drs.ParseNotification([]byte(record.SNS.Message))
//	if err == nil && n.Type == drs.ItemShipped {
//		fmt.Println(n.Order.SlotID, "is on its way")
//	}
//
// Messages can come twice and in any order: remember [Notification.ID], and compare
// [Notification.Time].
//
// # When it goes wrong
//
// An [*Error] is an answer of DRS that is no success, or a call that could not be made
// at all. It is one of a few kinds, to be told apart by [errors.Is]:
//
//	switch {
//	case errors.Is(err, drs.ErrInvalidToken):
//		// refresh the token once, and repeat the call once
//	case errors.Is(err, drs.ErrUnsubscribed), errors.Is(err, drs.ErrUnknownSlot):
//		// nothing was ordered, and nothing will be
//	}
//
// A bad token comes as status 400, not 401: that is how DRS answers. The other
// error there is, a [*TransportError], means that no answer arrived, and what the call did is
// unknown. [Error.Temporary] says whether to try an answered call again.
//
// # What this package doesn't do
//
// A call sends one request. Nothing is retried, no redirect is followed, no token is
// refreshed, nothing is logged or kept. The access token is in no error and no URL.
//
// Package drstest, beside this one, is a server that answers as DRS does.
package drs
