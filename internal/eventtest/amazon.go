package eventtest

import (
	"context"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Amazon is the sandbox that plays Amazon's part, in this process or elsewhere.
type Amazon interface {
	// Seed adds records to what Login with Amazon knows.
	Seed(ctx context.Context, records []lwatest.Record) error
	// Revoke is the customer of a device who withdraws consent.
	Revoke(ctx context.Context, thing string) error
	Script(ctx context.Context, faults sandbox.Faults) error
	Calls(ctx context.Context) (sandbox.Calls, error)
}

// Here is a sandbox in this process.
type Here struct{ *sandbox.Sandbox }

// Seed implements [Amazon].
func (h Here) Seed(_ context.Context, records []lwatest.Record) error {
	all, err := h.LWA.Snapshot()
	if err != nil {
		return err
	}
	return h.LWA.Restore(append(all, records...))
}

// Revoke implements [Amazon].
func (h Here) Revoke(_ context.Context, name string) error {
	d, err := thing.Parse(name)
	if err != nil {
		return err
	}
	_, err = h.LWA.Revoke(lwatest.Match{DeviceModel: d.Model, Serial: d.Serial})
	return err
}

// Script implements [Amazon].
func (h Here) Script(_ context.Context, faults sandbox.Faults) error {
	if err := h.LWA.Script(faults.LWA...); err != nil {
		return err
	}
	return h.DRS.Script(faults.DRS...)
}

// Calls implements [Amazon].
func (h Here) Calls(context.Context) (sandbox.Calls, error) { return h.Sandbox.Calls(), nil }

// counts returns the calls that expectations speak of, by route.
func counts(c sandbox.Calls) map[string]int {
	n := map[string]int{}
	for _, of := range []string{"authorization_code", "refresh_token", string(lwatest.RouteTokenInfo)} {
		n[of] = c.LWA[of]
	}
	for _, route := range drstest.Routes() {
		n[string(route)] = c.DRS[string(route)]
	}
	return n
}
