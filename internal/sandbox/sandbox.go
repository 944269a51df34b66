// Package sandbox stands in for Amazon under `restock up` and `restock sandbox`: Login with Amazon and the
// Dash Replenishment Service at one address, with one clock, where a consent registers
// a device and a deregistration ends its grant.
//
// It adds what a person and a script need to play Amazon's part: a page at /, and a JSON
// API, whose errors are problem+json.
//
//	GET  /sandbox                                 all of these, with sample bodies
//	GET  /sandbox/state                           customers, devices, orders, grants and the clock
//	GET  /sandbox/clock                           the time, and how far the clock was moved
//	POST /sandbox/clock {"advance":"24h"}         moves the clock on
//	POST /sandbox/withdraw {"thing":…}            the customer withdraws consent; "customer" instead: from all
//	                                              devices; "notify":true: DRS tells of it at once
//	POST /sandbox/deregister {"thing":…}          the device is taken off the account
//	POST /sandbox/subscribe {"thing":…,"slot":…,"subscribed":true}
//	POST /sandbox/orders/{id}/{step}              ship, deliver, cancel or resolve
//	POST /sandbox/customers {"user_id":…,…}       adds a customer
//	POST /sandbox/clients {"client_id":…,"redirect_urls":[…]}
//	                                              registers an app's client, which has no secret; with "origins", a page's
//	POST /sandbox/secret {"client_id":…}          gives a client a new secret, and answers with it
//	GET, POST, DELETE /sandbox/faults             {"lwa":[…],"drs":[…]}: [lwatest.Fault], [drstest.Fault]
//	GET, POST /sandbox/switches                   {"lwa":{…},"drs":{…},"consent_moves":false}: those that are given are set
//	GET  /sandbox/calls                           how often what was asked, since the process started
//	GET  /sandbox/journal?lwa=N&drs=N             what was asked and answered, after the entries N
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Record is a piece of state that is kept under its key; a nil Value: it is gone.
type Record struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Keep is where a sandbox keeps its state, in a few spaces.
type Keep interface {
	Load(space string) ([]Record, error)
	// Save keeps all of the records or none.
	Save(space string, records []Record) error
}

const (
	spaceLWA = "lwa"
	spaceDRS = "drs"
	spaceOwn = "sandbox"
)

// Options are what a sandbox is made of. Client is required.
type Options struct {
	// Clock is moved with what Keep brings back; nil: one of its own.
	Clock *lwatest.Clock
	// Client is the LWA client of the stack that the sandbox serves.
	Client lwatest.Client
	// Clients are further ones.
	Clients []lwatest.Client
	// Keep is where the state is kept; nil: nowhere.
	Keep Keep
	// Notify gets what DRS publishes to SNS: the message, and its attributes.
	Notify func(body []byte, attributes map[string]string)
	// Moved is told after the clock was moved; nil: nobody is.
	Moved func()
}

// Sandbox is Amazon's part. Make one with [New].
type Sandbox struct {
	LWA *lwatest.Server
	DRS *drstest.Server

	confidential []string // IDs of those clients in Options that have a secret
	moved        func()
	keep         Keep
	// consentMoves is the switch of that name.
	consentMoves atomic.Bool
	setting      sync.Mutex // held while switches are read, changed and set
}

// exampleModel is the device model of the first example that a maker is shown; it has
// a slot more than others, to which nobody has subscribed.
const exampleModel = "ACME-VAC-1"

func models() map[string][]drstest.Slot {
	return map[string][]drstest.Slot{exampleModel: {
		{ID: "filter", Subscribed: true, ASIN: "B00EXAMPL1", Quantity: 1, Unit: "count"},
		{ID: "main-brush", Subscribed: true, ASIN: "B00EXAMPL2", Quantity: 1, Unit: "count"},
		{ID: "side-brush", Subscribed: false, ASIN: "B00EXAMPL3", Quantity: 2, Unit: "count"},
	}}
}

// New makes a sandbox with all that Keep holds of an earlier one.
func New(o Options) (*Sandbox, error) {
	if o.Clock == nil {
		o.Clock = new(lwatest.Clock)
	}
	var (
		keepLWA func([]lwatest.Record) error // nil, where nothing is kept: records cost time
		keepDRS func([]drstest.Record) error
	)
	if o.Keep == nil {
		o.Keep = nowhere{}
	} else {
		keepLWA = func(r []lwatest.Record) error { return save(o.Keep, spaceLWA, r) }
		keepDRS = func(r []drstest.Record) error { return save(o.Keep, spaceDRS, r) }
	}
	s := &Sandbox{moved: o.Moved, keep: o.Keep}
	clients := append([]lwatest.Client{o.Client}, o.Clients...)
	for _, c := range clients {
		if !c.Secret.IsZero() {
			s.confidential = append(s.confidential, c.ID)
		}
	}
	var err error
	s.LWA, err = lwatest.New(lwatest.Options{
		Clock: o.Clock, Clients: clients, Granted: s.granted, Save: keepLWA,
	})
	if err != nil {
		return nil, fmt.Errorf("making the sandbox: %w", err)
	}
	s.DRS, err = drstest.New(drstest.Options{
		Authorize: s.authorize, Deregistered: s.deregistered, Notify: o.Notify, Now: o.Clock.Now, Models: models(),
		Save: keepDRS,
	})
	if err != nil {
		return nil, fmt.Errorf("making the sandbox: %w", err)
	}
	return s, s.restore(o)
}

func (s *Sandbox) restore(o Options) error {
	lwaRecords, err := load[lwatest.Record](o.Keep, spaceLWA)
	if err != nil {
		return err
	}
	drsRecords, err := load[drstest.Record](o.Keep, spaceDRS)
	if err != nil {
		return err
	}
	if err := s.restoreSwitches(); err != nil {
		return err
	}
	if err := s.LWA.Restore(lwaRecords); err != nil {
		return fmt.Errorf("bringing the sandbox back: %w", err)
	}
	if err := s.DRS.Restore(drsRecords); err != nil {
		return fmt.Errorf("bringing the sandbox back: %w", err)
	}
	// Clients are what the options say: their addresses may be others today.
	for _, c := range append([]lwatest.Client{o.Client}, o.Clients...) {
		if err := s.LWA.AddClient(c); err != nil {
			return fmt.Errorf("registering a client with the sandbox: %w", err)
		}
	}
	return nil
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Load(string) ([]Record, error) { return nil, nil }
func (nowhere) Save(string, []Record) error   { return nil }

func save[R ~struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}](k Keep, space string, records []R) error {
	list := make([]Record, len(records))
	for i, r := range records {
		list[i] = Record(r)
	}
	return k.Save(space, list)
}

func load[R ~struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}](k Keep, space string) ([]R, error) {
	records, err := k.Load(space)
	if err != nil {
		return nil, fmt.Errorf("reading the sandbox's state: %w", err)
	}
	list := make([]R, len(records))
	for i, r := range records {
		list[i] = R(r)
	}
	return list, nil
}

// Clock tells the sandbox's time.
func (s *Sandbox) Clock() *lwatest.Clock { return s.LWA.Clock() }

// Tick lets orders ship and arrive whose time has come.
func (s *Sandbox) Tick() error { return s.DRS.Tick() }

// maxAdvance is how far the clock can be moved at once: ten years.
const maxAdvance = 10 * 365 * 24 * time.Hour

var errAdvance = errors.New(`"advance" must be a duration that is more than 0 and less than ten years, such as 90m or 24h`)

// Advance moves the clock on, lets fall due what does, and tells Options.Moved.
func (s *Sandbox) Advance(d time.Duration) error {
	if d <= 0 || d > maxAdvance {
		return errAdvance
	}
	if err := s.LWA.Advance(d); err != nil {
		s.Clock().Advance(-d) // it was not kept: after a restart it would be as before
		return err
	}
	if s.moved != nil {
		s.moved()
	}
	return s.DRS.Tick()
}

// Withdraw is the customer who withdraws consent: the grants that match end, and LWA
// says so when it is asked next. notify has DRS tell of it as well, as it does in time;
// without, only the next refresh or order can find out.
func (s *Sandbox) Withdraw(m lwatest.Match, notify bool) (ended int, err error) {
	grants, err := s.LWA.Revoke(m)
	if err != nil || !notify {
		return len(grants), err
	}
	for _, g := range grants {
		if g.DeviceModel == "" {
			continue
		}
		if err := s.DRS.Deregister(g.DeviceModel, g.Serial); err != nil {
			return len(grants), err
		}
	}
	return len(grants), nil
}

// authorize tells DRS whose an access token is.
func (s *Sandbox) authorize(accessToken string) (drstest.Device, bool) {
	g, ok := s.LWA.Lookup(accessToken)
	if !ok || g.DeviceModel == "" {
		return drstest.Device{}, false
	}
	d := deviceOf(g)
	if holder, held := s.holder(d); held && holder != d.CustomerID && !s.consentMoves.Load() {
		s.register(d) // it follows whose token is used
	}
	return d, true
}

// holder returns the customer whom a device is registered to; false: it isn't.
func (s *Sandbox) holder(d drstest.Device) (string, bool) {
	r, ok := s.DRS.Registration(d.Model, d.Serial)
	return r.CustomerID, ok && r.Registered
}

func deviceOf(g lwatest.Grant) drstest.Device {
	return drstest.Device{
		Model: g.DeviceModel, Serial: g.Serial, ClientID: g.ClientID, CustomerID: g.Customer,
		Test: g.TestDevice, NonLive: g.NonLive,
	}
}

// granted registers the device that a customer has just agreed to, as Amazon's own
// pages do before the browser comes back. A device of another customer, who has agreed
// as well, stays where it is until the new tokens are used: whoever asked may not be
// let have it.
func (s *Sandbox) granted(g lwatest.Grant) {
	if g.DeviceModel == "" {
		return
	}
	d := deviceOf(g)
	holder, held := s.holder(d)
	if held && holder != d.CustomerID && s.agrees(d, holder) && !s.consentMoves.Load() {
		return
	}
	s.register(d)
}

// agrees reports whether a customer's consent for a device is alive.
func (s *Sandbox) agrees(d drstest.Device, customer string) bool {
	grants := s.LWA.Grants(lwatest.Match{DeviceModel: d.Model, Serial: d.Serial, Customer: customer})
	return slices.ContainsFunc(grants, func(g lwatest.Grant) bool { return g.Alive })
}

func (s *Sandbox) register(d drstest.Device) {
	if err := s.DRS.Register(d); err != nil {
		slog.Error("sandbox: device was not registered", "thing", thingOf(d.Model, d.Serial), "error", err)
	}
}

// deregistered ends the grants of a device that was taken off the account.
func (s *Sandbox) deregistered(d drstest.Device) {
	_, err := s.LWA.Revoke(lwatest.Match{DeviceModel: d.Model, Serial: d.Serial})
	if err != nil {
		slog.Error("sandbox: grant was not ended", "thing", thingOf(d.Model, d.Serial), "error", err)
	}
}

func thingOf(model, serial string) string { return thing.Device{Model: model, Serial: serial}.Name() }
