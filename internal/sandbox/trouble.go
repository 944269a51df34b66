package sandbox

import (
	"errors"
	"net/http"

	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Faults are trouble to come, of each service.
type Faults struct {
	LWA []lwatest.Fault `json:"lwa"`
	DRS []drstest.Fault `json:"drs"`
}

func (s *Sandbox) faults() Faults {
	f := Faults{LWA: s.LWA.Faults(), DRS: s.DRS.Faults()}
	if f.LWA == nil {
		f.LWA = []lwatest.Fault{}
	}
	if f.DRS == nil {
		f.DRS = []drstest.Fault{}
	}
	return f
}

func (s *Sandbox) addFaults(in Faults) (any, error) {
	if len(in.LWA)+len(in.DRS) == 0 {
		return nil, web.BadField("lwa", `name faults of "lwa" or of "drs"`)
	}
	var errs []error
	for _, f := range in.LWA {
		errs = append(errs, f.Validate())
	}
	for _, f := range in.DRS {
		errs = append(errs, f.Validate())
	}
	if err := errors.Join(errs...); err != nil { // all or none
		return nil, err
	}
	if err := s.LWA.Script(in.LWA...); err != nil {
		return nil, err
	}
	if err := s.DRS.Script(in.DRS...); err != nil {
		return nil, err
	}
	return s.faults(), nil
}

func (s *Sandbox) clearFaults(*http.Request) (any, error) {
	s.LWA.ClearFaults()
	s.DRS.ClearFaults()
	return s.faults(), nil
}

// Switches are how the services behave where it is not known how Amazon does.
type Switches struct {
	LWA lwatest.Switches `json:"lwa"`
	DRS drstest.Switches `json:"drs"`
}

func (s *Sandbox) switches() Switches { return Switches{s.LWA.Switches(), s.DRS.Switches()} }

// setSwitches sets those that are given and leaves the others.
func (s *Sandbox) setSwitches(w http.ResponseWriter, r *http.Request) error {
	next := s.switches()
	if err := web.ReadJSON(w, r, &next); err != nil {
		return err
	}
	if err := s.LWA.SetSwitches(next.LWA); err != nil {
		return refused(err)
	}
	if err := s.DRS.SetSwitches(next.DRS); err != nil {
		return refused(err)
	}
	return web.WriteJSON(w, http.StatusOK, s.switches())
}
