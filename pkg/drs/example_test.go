package drs_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// server stands in for Amazon in the examples. It knows one token.
func server() *drstest.Server {
	srv, err := drstest.New(drstest.Options{
		Authorize: drstest.Tokens(map[string]drstest.Device{
			"Atza|EXAMPLE": {Model: "ACME-VAC-1", Serial: "SN0001"},
		}),
	})
	if err != nil {
		panic(err)
	}
	return srv
}

func ExampleClient_Replenish() {
	client := server().Client() // for Amazon itself: new(drs.Client)
	ctx := context.Background()

	result, err := client.Replenish(ctx, "Atza|EXAMPLE", "filter")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.DetailCode)

	// The slot is locked until the order has arrived.
	result, err = client.Replenish(ctx, "Atza|EXAMPLE", "filter")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.DetailCode)
	// Output:
	// STANDARD_ORDER_PLACED
	// ORDER_INPROGRESS
}

func ExampleError() {
	srv := server()
	client, ctx := srv.Client(), context.Background()

	_, err := client.Replenish(ctx, "Atza|EXPIRED", "filter")
	fmt.Println("refresh the token:", errors.Is(err, drs.ErrInvalidToken))

	_, err = client.Replenish(ctx, "Atza|EXAMPLE", "nothing")
	fmt.Println("no such slot:", errors.Is(err, drs.ErrUnknownSlot))

	if err := srv.Script(drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Throttled, RetryAfter: "3"}); err != nil {
		fmt.Println(err)
	}
	_, err = client.Replenish(ctx, "Atza|EXAMPLE", "filter")
	var refused *drs.Error
	if errors.As(err, &refused) && refused.Temporary() {
		fmt.Println("again in", refused.RetryAfter)
	}
	// Output:
	// refresh the token: true
	// no such slot: true
	// again in 3s
}

func ExampleClient_Subscriptions() {
	slots, err := server().Client().Subscriptions(context.Background(), "Atza|EXAMPLE")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, slot := range slots {
		fmt.Println(slot.ID, slot.Subscribed, slot.Products[0].ASIN)
	}
	// Output:
	// bag true B00EXAMPL2
	// filter true B00EXAMPLE
}

func ExampleClient_Order() {
	client, ctx := server().Client(), context.Background()
	result, err := client.Replenish(ctx, "Atza|EXAMPLE", "filter")
	if err != nil {
		fmt.Println(err)
		return
	}
	order, err := client.Order(ctx, "Atza|EXAMPLE", result.EventInstanceID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(order.Items[0].SlotID, order.Items[0].Status)
	// Output:
	// filter Processing
}

func ExampleParseNotification() {
	n, err := drs.ParseNotification([]byte(`{
		"notificationInfo": {
			"notificationType": "ItemShippedNotification",
			"notificationTime": "2026-01-09T10:00:00.000Z",
			"notificationId": "amzn1.dash.notification.v1.EXAMPLE",
			"version": "2015-06-05"
		},
		"deviceInfo": {
			"deviceIdentifier": {"serialNumber": "SN0001"},
			"productIdentifier": {"modelId": "ACME-VAC-1"}
		},
		"orderInfo": {
			"instanceId": "amzn1.dash.v2.o.EXAMPLE",
			"slotId": "filter",
			"productInfo": [{"quantity": 1.0, "unit": "count", "asin": "B00EXAMPLE", "estimatedDeliveryDate": "2026-01-12T10:00:00Z"}]
		}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if n.Type == drs.ItemShipped {
		fmt.Println(n.Serial, "gets", n.Order.SlotID, "on", n.Order.EstimatedDelivery)
	}
	// Output:
	// SN0001 gets filter on 2026-01-12T10:00:00Z
}
