package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
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
	// ConsentMoves has a customer's consent alone take a device over from another, for
	// good. Default false: a device that somebody has follows whose token is used, so
	// that a consent which comes to nothing harms nobody.
	ConsentMoves bool `json:"consent_moves"`
}

func (s *Sandbox) switches() Switches {
	return Switches{s.LWA.Switches(), s.DRS.Switches(), s.consentMoves.Load()}
}

// keySwitches is the record of the switches that are the sandbox's own.
const keySwitches = "switches"

func (s *Sandbox) setConsentMoves(on bool) error {
	value, err := json.Marshal(struct {
		ConsentMoves bool `json:"consent_moves"`
	}{on})
	if err == nil {
		err = s.keep.Save(spaceOwn, []Record{{keySwitches, value}})
	}
	if err != nil {
		return fmt.Errorf("saving the sandbox's switches: %w", err)
	}
	s.consentMoves.Store(on)
	return nil
}

func (s *Sandbox) restoreSwitches() error {
	records, err := s.keep.Load(spaceOwn)
	if err != nil {
		return fmt.Errorf("reading the sandbox's state: %w", err)
	}
	for _, r := range records {
		var sw Switches
		if err := json.Unmarshal(r.Value, &sw); r.Key != keySwitches || err != nil {
			return fmt.Errorf("record %.100q of the sandbox can't be read: %w", r.Key, err)
		}
		s.consentMoves.Store(sw.ConsentMoves)
	}
	return nil
}

// setSwitches sets those that are given and leaves the others.
func (s *Sandbox) setSwitches(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	next := s.switches()
	if err := decode(body, &next); err != nil {
		return err
	}
	if err := s.LWA.SetSwitches(next.LWA); err != nil {
		return refused(err)
	}
	if err := s.DRS.SetSwitches(next.DRS); err != nil {
		return refused(err)
	}
	if err := s.setConsentMoves(next.ConsentMoves); err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, s.switches())
}
