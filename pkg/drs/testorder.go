package drs

import "context"

// NoOrderInProgress is the one documented status of a [SlotOrder]: the slot is free.
const NoOrderInProgress = "NO_ORDER_IN_PROGRESS"

// SlotOrder says whether a slot of a test device is free again.
type SlotOrder struct {
	SlotID string
	Status string // NoOrderInProgress, or one that Amazon has added since
}

// CancelTestOrder frees one slot of a test device, so that the next replenish of it
// answers [TestOrderPlaced] again. How DRS answers for a real device is not documented.
//
// Errors: [*Error]; otherwise [*TransportError]. The call may be repeated.
//
// Source: developer.amazon.com/docs/dash/canceltestorder-endpoint.html
func (c *Client) CancelTestOrder(ctx context.Context, accessToken, slot string) ([]SlotOrder, error) {
	return c.cancelTestOrders(ctx, accessToken, "testOrders", "slots", slot)
}

// CancelTestOrders frees all slots of a test device, as [Client.CancelTestOrder] does one.
func (c *Client) CancelTestOrders(ctx context.Context, accessToken string) ([]SlotOrder, error) {
	return c.cancelTestOrders(ctx, accessToken, "testOrders")
}

func (c *Client) cancelTestOrders(ctx context.Context, accessToken string, path ...string) ([]SlotOrder, error) {
	a, err := c.do(ctx, callCancelTests, accessToken, nil, path...)
	if err != nil {
		return nil, err
	}
	var body struct {
		Statuses []struct {
			OrderStatus string `json:"orderStatus"`
			SlotID      string `json:"slotId"`
		} `json:"slotOrderStatuses"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Statuses == nil {
		return nil, a.unexpected("the answer has no slotOrderStatuses")
	}
	slots := make([]SlotOrder, 0, len(body.Statuses))
	for _, s := range body.Statuses {
		slots = append(slots, SlotOrder{SlotID: tidy(s.SlotID, maxID, ""), Status: tidy(s.OrderStatus, maxCode, "")})
	}
	return slots, nil
}
