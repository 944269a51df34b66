package drs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Product is an item chosen or ordered.
type Product struct {
	ASIN     string  // Amazon's number of the item; "" in the 1.0 shapes
	Quantity float64 // in Unit
	Unit     string  // count, in whatever case it came
}

// Slot is a slot's subscription.
type Slot struct {
	ID         string
	Subscribed bool
	// Products are what the customer chose; nil in the 1.0 shape. A slot may list one
	// although it is not subscribed.
	Products []Product
}

// Subscriptions lists the slots of the device, sorted by ID, with their products (result
// version 2.0). An answer in the 1.0 shape is read too.
//
// Errors: [*Error]; otherwise [*TransportError].
//
// Source: developer.amazon.com/docs/dash/getsubscriptioninfo-endpoint.html
func (c *Client) Subscriptions(ctx context.Context, accessToken string) ([]Slot, error) {
	return c.subscriptions(ctx, callSubscriptions, accessToken)
}

// SubscriptionsV1 is [Client.Subscriptions] in result version 1.0, which tells no products.
func (c *Client) SubscriptionsV1(ctx context.Context, accessToken string) ([]Slot, error) {
	return c.subscriptions(ctx, callSubscriptionV1, accessToken)
}

func (c *Client) subscriptions(ctx context.Context, k call, accessToken string) ([]Slot, error) {
	a, err := c.do(ctx, k, accessToken, nil, "subscriptionInfo")
	if err != nil {
		return nil, err
	}
	var body subscriptionInfo
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	slots, err := body.slots()
	if err != nil {
		return nil, a.unexpected(err.Error())
	}
	return slots, nil
}

// subscriptionInfo is the answer of subscriptionInfo, and a member of a notification,
// in either version.
type subscriptionInfo struct {
	Status map[string]slotSubscription `json:"slotsSubscriptionStatus"`
}

type slotSubscription struct {
	subscribed bool
	products   []Product
}

var errNoSubscription = errors.New("a slot's subscription is neither true nor false")

// UnmarshalJSON reads a boolean (1.0) or an object (2.0).
func (s *slotSubscription) UnmarshalJSON(b []byte) error {
	var flag *bool
	if json.Unmarshal(b, &flag) == nil && flag != nil {
		s.subscribed = *flag
		return nil
	}
	var body struct {
		Subscribed *bool         `json:"subscribed"`
		Products   []wireProduct `json:"productInfoList"`
	}
	if err := json.Unmarshal(b, &body); err != nil || body.Subscribed == nil {
		return errNoSubscription
	}
	s.subscribed, s.products = *body.Subscribed, products(body.Products)
	return nil
}

// wireProduct is a product as subscriptions and notifications write it.
type wireProduct struct {
	ASIN              string  `json:"asin"`
	Quantity          float64 `json:"quantity"`
	Unit              string  `json:"unit"`
	EstimatedDelivery string  `json:"estimatedDeliveryDate"` // notifications of version 2
}

func products(list []wireProduct) []Product {
	var out []Product
	for _, p := range list {
		out = append(out, Product{
			ASIN:     tidy(p.ASIN, maxCode, ""),
			Quantity: p.Quantity,
			Unit:     tidy(p.Unit, maxCode, ""),
		})
	}
	return out
}

// slots returns the slots sorted by ID, never nil.
func (i *subscriptionInfo) slots() ([]Slot, error) {
	if i.Status == nil {
		return nil, errors.New("there is no slotsSubscriptionStatus")
	}
	slots := make([]Slot, 0, len(i.Status))
	for id, s := range i.Status {
		if !isText(id, maxID) {
			return nil, fmt.Errorf("slot %.40q has no usable ID", id)
		}
		slots = append(slots, Slot{ID: id, Subscribed: s.subscribed, Products: s.products})
	}
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(a.ID, b.ID) })
	return slots, nil
}
