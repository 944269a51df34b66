package drstest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// A vacuum cleaner orders a filter, and the filter comes.
func Example() {
	now := time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)
	vacuum := drstest.Device{Model: "ACME-VAC-1", Serial: "SN0001", CustomerID: "amzn1.account.EXAMPLE"}
	srv, err := drstest.New(drstest.Options{
		Now:       func() time.Time { return now },
		Authorize: drstest.Tokens(map[string]drstest.Device{"Atza|1": vacuum}),
		Notify: func(body []byte, _ map[string]string) {
			if n, err := drs.ParseNotification(body); err == nil {
				fmt.Println(n.Time.Format(time.DateTime), n.Type)
			}
		},
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	press := func() {
		result, err := srv.Client().Replenish(ctx, "Atza|1", "filter")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(now.Format(time.DateTime), result.DetailCode)
	}

	_ = srv.Register(vacuum) // fails only where there is something to save
	press()
	press()
	now = now.Add(drstest.DeliveryTime)
	_ = srv.Tick()
	press()
	// Output:
	// 2026-01-08 10:00:00 DeviceRegisteredNotification
	// 2026-01-08 10:00:00 SubscriptionChangedNotification
	// 2026-01-08 10:00:00 OrderPlacedNotification
	// 2026-01-08 10:00:00 STANDARD_ORDER_PLACED
	// 2026-01-08 10:00:00 ORDER_INPROGRESS
	// 2026-01-09 10:00:00 ItemShippedNotification
	// 2026-01-12 10:00:00 OrderPlacedNotification
	// 2026-01-12 10:00:00 STANDARD_ORDER_PLACED
}

// An answer is lost after the order was placed. Asking again does no harm.
func ExampleServer_Script() {
	srv, err := drstest.New(drstest.Options{
		Authorize: drstest.Tokens(map[string]drstest.Device{"Atza|1": {Model: "ACME-VAC-1", Serial: "SN0001"}}),
	})
	if err != nil {
		panic(err)
	}
	err = srv.Script(drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.DropAfter})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = srv.Client().Replenish(ctx, "Atza|1", "filter")
	fmt.Println(err)
	result, err := srv.Client().Replenish(ctx, "Atza|1", "filter")
	fmt.Println(result.DetailCode, err, len(srv.Orders()))
	// Output:
	// drs: replenish: no answer: drstest: the connection was closed without an answer
	// ORDER_INPROGRESS <nil> 1
}
