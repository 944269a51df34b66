package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// control makes the page and the JSON API.
func (s *Sandbox) control() *web.Mux {
	m := new(web.Mux)
	m.Handle("GET /{$}", web.Func(s.page))
	m.Handle("POST /sandbox/do", web.Func(s.form))

	m.Handle("GET /sandbox", web.Func(s.index))
	for _, r := range s.routes() {
		m.Handle(r.Method+" "+r.Path, r.handler)
	}
	return m
}

// answer is a route without a body that answers with JSON.
func answer(do func(*http.Request) (any, error)) http.Handler {
	return web.Func(func(w http.ResponseWriter, r *http.Request) error {
		v, err := do(r)
		if err != nil {
			return refused(err)
		}
		return web.WriteJSON(w, http.StatusOK, v)
	})
}

// body is a route that reads a T and answers with JSON.
func body[T any](do func(T) (any, error)) http.Handler {
	return web.Func(func(w http.ResponseWriter, r *http.Request) error {
		var in T
		if err := read(w, r, &in); err != nil {
			return err
		}
		v, err := do(in)
		if err != nil {
			return refused(err)
		}
		return web.WriteJSON(w, http.StatusOK, v)
	})
}

// read reads the body into v.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	return decode(body, v)
}

// readBody returns the body, an object, unless a member of it counts for nothing because of its case.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := web.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	var counted, sent map[string]json.RawMessage
	if err := web.DecodeJSON(body, &counted); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	for name := range sent {
		if _, ok := counted[name]; !ok {
			return nil, unknownMember(fmt.Sprintf("unknown field %q", name))
		}
	}
	return body, nil
}

func unknownMember(why string) error {
	return web.New(web.CodeBadField, why+"; GET /sandbox shows samples")
}

// decode refuses members that v does not have: who misspells a fault or a switch would
// believe that it was tested.
func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return web.DecodeJSON(body, v) // which says it in the words of all our APIs
	}
	return unknownMember(strings.TrimPrefix(err.Error(), "json: "))
}

// refused is an error of the sandbox: its texts are written for whoever called.
func refused(err error) error {
	var p *web.Problem
	if errors.As(err, &p) {
		return p
	}
	return web.New(web.CodeBadField, err.Error())
}

func (s *Sandbox) setClock(in struct {
	Advance lwatest.Duration `json:"advance"`
},
) (any, error) {
	if err := s.Advance(time.Duration(in.Advance)); err != nil {
		return nil, err
	}
	return s.clock(), nil
}

// Time is what the clock shows.
type Time struct {
	Now   time.Time        `json:"now"`
	Moved lwatest.Duration `json:"moved"` // how far the clock is from the real time
}

func (s *Sandbox) clock() Time {
	return Time{s.Clock().Now(), lwatest.Duration(s.Clock().Offset())}
}

// which names a device.
type which struct {
	Thing string `json:"thing"`
}

func (w which) device() (thing.Device, error) {
	d, err := thing.Parse(w.Thing)
	if err != nil {
		return d, web.BadField("thing", err.Error())
	}
	return d, nil
}

func (s *Sandbox) withdraw(in struct {
	which
	Customer string `json:"customer"`
	// Notify has DRS tell of it, too.
	Notify bool `json:"notify"`
},
) (any, error) {
	m := lwatest.Match{Customer: in.Customer}
	if in.Thing != "" {
		d, err := in.device()
		if err != nil {
			return nil, err
		}
		m.DeviceModel, m.Serial = d.Model, d.Serial
	}
	if m == (lwatest.Match{}) {
		return nil, web.BadField("thing", "name a thing or a customer")
	}
	ended, err := s.Withdraw(m, in.Notify)
	return map[string]int{"ended": ended}, err
}

func (s *Sandbox) deregister(in which) (any, error) {
	d, err := in.device()
	if err != nil {
		return nil, err
	}
	if _, held := s.holder(drstest.Device{Model: d.Model, Serial: d.Serial}); !held {
		return nil, web.BadField("thing", in.Thing+" is on no customer's account; GET /sandbox/state lists the devices that are")
	}
	return struct{}{}, s.DRS.Deregister(d.Model, d.Serial)
}

func (s *Sandbox) subscribe(in struct {
	which
	Slot       string `json:"slot"`
	Subscribed *bool  `json:"subscribed"`
},
) (any, error) {
	d, err := in.device()
	if err != nil {
		return nil, err
	}
	if in.Subscribed == nil {
		return nil, web.BadField("subscribed", "must be true or false")
	}
	return struct{}{}, s.DRS.Subscribe(d.Model, d.Serial, in.Slot, *in.Subscribed)
}

func (s *Sandbox) order(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if err := s.step(id, r.PathValue("step")); err != nil {
		return nil, err
	}
	o, _ := s.DRS.Order(id)
	return o, nil
}

// step takes an order a step further.
func (s *Sandbox) step(id, step string) error {
	steps := map[string]func(string) error{
		"ship": s.DRS.Ship, "deliver": s.DRS.Deliver, "cancel": s.DRS.Cancel, "resolve": s.DRS.Resolve,
	}
	do, ok := steps[step]
	if !ok {
		return web.New(web.CodeNotFound, "an order can be told to ship, deliver, cancel or resolve")
	}
	return do(id)
}

func (s *Sandbox) addCustomer(c lwatest.Customer) (any, error) {
	return c, s.LWA.AddCustomer(c)
}

// publicClient is a client without a secret, as Amazon's console has it: of an app.
type publicClient struct {
	ID           string   `json:"client_id"`
	Name         string   `json:"name"`
	RedirectURLs []string `json:"redirect_urls"`
	Origins      []string `json:"origins,omitempty"`
	Scopes       []string `json:"scopes,omitempty"` // none: all that are known
}

func (s *Sandbox) addClient(c publicClient) (any, error) {
	if slices.Contains(s.confidential, c.ID) {
		return nil, web.BadField("client_id", "this client has a secret; it is registered by whoever starts the sandbox")
	}
	err := s.LWA.AddClient(lwatest.Client{ID: c.ID, Name: c.Name, RedirectURLs: c.RedirectURLs, Origins: c.Origins, Scopes: c.Scopes})
	return c, err
}

// newSecret answers with the secret, which opens nothing but this sandbox.
func (s *Sandbox) newSecret(in struct {
	ID string `json:"client_id"`
},
) (any, error) {
	secret, err := s.LWA.RotateSecret(in.ID, lwa.Secret{})
	if err != nil {
		return nil, err
	}
	return map[string]string{"client_id": in.ID, "client_secret": secret.Reveal()}, nil
}

// Journal is what was asked lately.
type Journal struct {
	LWA []lwatest.Entry `json:"lwa"`
	DRS []drstest.Entry `json:"drs"`
}

// journal answers with the entries after the numbers in ?lwa= and ?drs=.
func (s *Sandbox) journal(r *http.Request) (any, error) {
	after := func(name string) int64 {
		n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
		if err != nil {
			return 0 // all of it
		}
		return n
	}
	j := Journal{LWA: []lwatest.Entry{}, DRS: []drstest.Entry{}}
	for _, e := range s.LWA.Journal() {
		if e.Seq > after("lwa") {
			j.LWA = append(j.LWA, e)
		}
	}
	for _, e := range s.DRS.Journal() {
		if e.Seq > after("drs") {
			j.DRS = append(j.DRS, e)
		}
	}
	return j, nil
}
