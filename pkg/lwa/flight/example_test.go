package flight_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// A program that shares its calls to a service, and leaves it alone while it is in trouble.
func Example() {
	gate := &flight.Gate{Limit: 1, Backoff: flight.Backoff{First: time.Minute, Max: time.Hour, Rand: func() float64 { return 0.5 }}}
	var group flight.Group[string]
	ask := func(ctx context.Context) (string, error) {
		ticket, wait, err := gate.Enter(ctx)
		switch {
		case err != nil:
			return "", err
		case ticket == nil:
			return "", fmt.Errorf("not asked: try again in %s", wait.Round(time.Second))
		}
		err = errors.New("503 Service Unavailable") // what the service says
		ticket.Leave(ctx, flight.Fails, 0)
		return "", err
	}
	for range 2 {
		_, _, err := group.Do(context.Background(), "price", 10*time.Second, ask)
		fmt.Println(err)
	}
	// Output:
	// 503 Service Unavailable
	// not asked: try again in 30s
}
