package sandbox

import (
	"slices"

	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// State is all that there is in the sandbox.
type State struct {
	Time
	Customers []lwatest.Customer `json:"customers"`
	Devices   []Device           `json:"devices"`
	Orders    []drstest.Order    `json:"orders"`
	Grants    []lwatest.Grant    `json:"grants"`
}

// Device is a device at DRS, with what its customer's consent is worth.
type Device struct {
	Thing string `json:"thing"`
	drstest.Registration
	// Consent says that a grant for the device is alive at LWA.
	Consent bool `json:"consent"`
}

// State returns what there is now.
func (s *Sandbox) State() State {
	st := State{
		Time:      s.clock(),
		Customers: s.LWA.Customers(), Devices: []Device{}, Orders: s.DRS.Orders(), Grants: s.LWA.Grants(lwatest.Match{}),
	}
	if st.Orders == nil {
		st.Orders = []drstest.Order{}
	}
	if st.Grants == nil {
		st.Grants = []lwatest.Grant{}
	}
	for _, r := range s.DRS.Registrations() {
		alive := slices.ContainsFunc(st.Grants, func(g lwatest.Grant) bool {
			return g.Alive && g.DeviceModel == r.Model && g.Serial == r.Serial && g.Customer == r.CustomerID
		})
		st.Devices = append(st.Devices, Device{Thing: thingOf(r.Model, r.Serial), Registration: r, Consent: alive})
	}
	return st
}

// Calls counts what was asked of the sandbox since its process started, faults
// included: by route, and of LWA's token route by grant type too.
type Calls struct {
	LWA map[string]int `json:"lwa"`
	DRS map[string]int `json:"drs"`
}

// Calls returns the counts.
func (s *Sandbox) Calls() Calls {
	c := Calls{LWA: map[string]int{}, DRS: map[string]int{}}
	for _, r := range lwatest.Routes() {
		c.LWA[string(r)] = s.LWA.Calls(r, "")
	}
	for _, g := range []string{"authorization_code", "refresh_token", "client_credentials", "device_code"} {
		c.LWA[g] = s.LWA.Calls(lwatest.RouteToken, g)
	}
	for _, r := range drstest.Routes() {
		c.DRS[string(r)] = s.DRS.Calls(r)
	}
	return c
}
