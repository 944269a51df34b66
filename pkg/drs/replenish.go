package drs

import "context"

// Detail codes of a replenish that are documented. There may be others.
const (
	// StandardOrderPlaced: a real order was accepted. That is no proof of a purchase:
	// if payment, address or stock are in the way, the customer has 72 hours to help.
	StandardOrderPlaced = "STANDARD_ORDER_PLACED"
	// TestOrderPlaced: an order of a test device; nothing is charged or shipped.
	TestOrderPlaced = "TEST_ORDER_PLACED"
	// OrderInProgress: nothing was ordered, since an order for the slot is open.
	OrderInProgress = "ORDER_INPROGRESS"
)

// ReplenishResult answers [Client.Replenish].
type ReplenishResult struct {
	// EventInstanceID names the order in [Client.Order] and in notifications; at most
	// 255 bytes. With OrderInProgress it may be that of the open order: Amazon doesn't say.
	EventInstanceID string
	// DetailCode is one of the constants above, or one that Amazon has added since.
	DetailCode string
}

// Replenish orders what the customer chose for a slot. The slot ID has 1 to 255 bytes.
//
// One request is sent. If its answer is lost, [*TransportError], an order may have been
// placed; so it may after [ErrServer] and [ErrUnexpected]. While that order is open a
// further call orders nothing and answers OrderInProgress.
//
// Errors: [*Error], with [ErrInvalidToken], [ErrUnsubscribed], [ErrUnknownSlot] among
// its kinds; otherwise [*TransportError].
//
// Source: developer.amazon.com/docs/dash/replenish-endpoint.html
func (c *Client) Replenish(ctx context.Context, accessToken, slot string) (*ReplenishResult, error) {
	a, err := c.do(ctx, callReplenish, accessToken, nil, "replenish", slot)
	if err != nil {
		return nil, err
	}
	var body struct {
		EventInstanceID string `json:"eventInstanceId"`
		DetailCode      string `json:"detailCode"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	switch {
	case !isText(body.EventInstanceID, maxID):
		return nil, a.unexpected("the answer has no usable eventInstanceId")
	case !isText(body.DetailCode, maxCode):
		return nil, a.unexpected("the answer has no usable detailCode")
	}
	return &ReplenishResult{EventInstanceID: body.EventInstanceID, DetailCode: body.DetailCode}, nil
}
