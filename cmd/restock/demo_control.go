package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// control plays Amazon's part at the sandbox.
type control struct{ *api }

func (c *control) post(ctx context.Context, path string, body any) error {
	var answer struct{}
	return c.call(ctx, http.MethodPost, path, "", body, &answer)
}

func (c *control) advance(ctx context.Context, d time.Duration) error {
	return c.post(ctx, "/sandbox/clock", map[string]string{"advance": d.String()})
}

// clock returns what the sandbox's clock shows.
func (c *control) clock(ctx context.Context) (at sandbox.Time, err error) {
	return at, c.call(ctx, http.MethodGet, "/sandbox/clock", "", nil, &at)
}

func (c *control) calls(ctx context.Context) (n sandbox.Calls, err error) {
	return n, c.call(ctx, http.MethodGet, "/sandbox/calls", "", nil, &n)
}

// refreshes counts what LWA was asked for refresh tokens.
func (c *control) refreshes(ctx context.Context) (int, error) {
	n, err := c.calls(ctx)
	return n.LWA["refresh_token"], err
}

func (c *control) state(ctx context.Context) (s sandbox.State, err error) {
	return s, c.call(ctx, http.MethodGet, "/sandbox/state", "", nil, &s)
}

// orders lists the orders of a device for a slot.
func (c *control) orders(ctx context.Context, serial, slot string) ([]drstest.Order, error) {
	st, err := c.state(ctx)
	var found []drstest.Order
	for _, o := range st.Orders {
		if o.Device.Serial == serial && o.Slot.ID == slot {
			found = append(found, o)
		}
	}
	return found, err
}

func (c *control) ship(ctx context.Context, instanceID string) error {
	return c.post(ctx, "/sandbox/orders/"+url.PathEscape(instanceID)+"/ship", nil)
}

func (c *control) fault(ctx context.Context, f sandbox.Faults) error {
	return c.post(ctx, "/sandbox/faults", f)
}

// pollEverySandbox is how often a condition of the sandbox is looked at.
const pollEverySandbox = 20 * time.Millisecond

// until waits for a condition.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, hearTimeout)
	defer cancel()
	tick := time.NewTicker(pollEverySandbox)
	defer tick.Stop()
	for {
		if done, err := ok(); err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s", hearTimeout, what)
		}
	}
}
