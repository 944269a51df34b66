package drs

import (
	"context"
	"strings"
)

// Statuses of an [OrderItem] that are documented. Editions of Amazon's page differ, so
// there may be others: Pending, Authorized and Closed were once among them.
const (
	StatusProcessing = "Processing" // placed, or waiting for the customer to solve a problem
	StatusShipped    = "Shipped"
	StatusCancelled  = "Cancelled" // once Canceled: see [OrderItem.Cancelled]
)

// OrderItem is one item of an order. Texts are as DRS wrote them, cut where they are
// over any sensible length.
type OrderItem struct {
	ASIN   string
	SlotID string
	Status string // see the Status constants
	// ExpectedDelivery is ISO 8601; "" while it isn't known.
	ExpectedDelivery string
	Quantity         float64
}

// Cancelled reports whether the item was cancelled, in either spelling.
func (i OrderItem) Cancelled() bool {
	return strings.EqualFold(i.Status, StatusCancelled) || strings.EqualFold(i.Status, "Canceled")
}

// Order is what DRS knows of an order.
type Order struct {
	InstanceID string
	Items      []OrderItem // usually one
}

// Order looks an order up by the event instance ID that [Client.Replenish] returned.
//
// Errors: [*Error]; what DRS says of an ID that it doesn't know is not documented,
// presumably [ErrBadRequest]. Otherwise [*TransportError].
//
// Source: developer.amazon.com/docs/dash/getorderinfo-endpoint.html
func (c *Client) Order(ctx context.Context, accessToken, instanceID string) (*Order, error) {
	a, err := c.do(ctx, callOrder, accessToken, nil, "getOrderInfo", instanceID)
	if err != nil {
		return nil, err
	}
	var body struct {
		Data *struct {
			InstanceID string `json:"instanceId"`
			Items      []struct {
				ASIN             string  `json:"asin"`
				SlotID           string  `json:"slotId"`
				Status           string  `json:"status"`
				ExpectedDelivery string  `json:"expectedDeliveryDate"`
				Quantity         float64 `json:"quantity"`
			} `json:"orderItems"`
		} `json:"orderInfoData"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Data == nil || body.Data.InstanceID != instanceID {
		return nil, a.unexpected("the answer is not about the order that was asked for")
	}
	order := &Order{InstanceID: instanceID}
	for _, i := range body.Data.Items {
		order.Items = append(order.Items, OrderItem{
			ASIN: tidy(i.ASIN, maxCode, ""), SlotID: tidy(i.SlotID, maxID, ""), Status: tidy(i.Status, maxCode, ""),
			ExpectedDelivery: tidy(i.ExpectedDelivery, maxCode, ""), Quantity: i.Quantity,
		})
	}
	return order, nil
}
