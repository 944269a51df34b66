package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/restock-dev/restock/internal/web"
)

// route is one of the JSON API, as the index lists it.
type route struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Does   string `json:"does"`
	// Body is a sample that can be sent as it is, once its device is paired; nil: none is read.
	Body json.RawMessage `json:"body,omitempty"`

	handler http.Handler
}

// routes are the JSON API.
func (s *Sandbox) routes() []route {
	const (
		ofThing = `{"thing": "ACME-VAC-1::SN0001"}`
		faults  = `{"lwa": [{"route": "token", "kind": "throttled", "times": 2, "retry_after": "5"}], "drs": [{"route": "replenish", "kind": "throttled"}]}`
	)
	sample := func(text string) json.RawMessage { return json.RawMessage(text) }
	return []route{
		{"GET", "/sandbox/state", "customers, devices, orders, grants and the clock", nil, answer(func(*http.Request) (any, error) { return s.State(), nil })},
		{"GET", "/sandbox/calls", "how often what was asked, since the process started", nil, answer(func(*http.Request) (any, error) { return s.Calls(), nil })},
		{"GET", "/sandbox/journal", "what was asked and answered; ?lwa=N&drs=N: after these entries", nil, answer(s.journal)},
		{"GET", "/sandbox/clock", "the time, and how far the clock was moved", nil, answer(func(*http.Request) (any, error) { return s.clock(), nil })},
		{"POST", "/sandbox/clock", "moves the clock on", sample(`{"advance": "24h"}`), body(s.setClock)},
		{"POST", "/sandbox/subscribe", "the customer subscribes to a slot, or ends that", sample(`{"thing": "ACME-VAC-1::SN0001", "slot": "filter", "subscribed": true}`), body(s.subscribe)},
		{"POST", "/sandbox/orders/{id}/{step}", "takes an order of /sandbox/state on: ship, deliver, cancel or resolve", nil, answer(s.order)},
		{
			"POST", "/sandbox/withdraw", `the customer withdraws consent; "customer", a user_id, instead of "thing": from all devices; "notify": DRS tells of it at once`,
			sample(`{"thing": "ACME-VAC-1::SN0001", "notify": false}`), body(s.withdraw),
		},
		{"POST", "/sandbox/deregister", "takes a device off the customer's account", sample(ofThing), body(s.deregister)},
		{
			"POST", "/sandbox/customers", "adds a customer",
			sample(`{"user_id": "amzn1.account.EXAMPLE3", "name": "Third Customer", "email": "third@example.com", "postal_code": "10115"}`), body(s.addCustomer),
		},
		{
			"POST", "/sandbox/clients", `registers the client of an app, which has no secret; with "origins", of a page; "scopes": it may ask for these alone`,
			sample(`{"client_id": "amzn1.application-oa2-client.app", "redirect_urls": ["amzn://com.example.app"]}`), body(s.addClient),
		},
		{
			"POST", "/sandbox/secret", "gives a client a new secret, until the sandbox is started again; the switch secret_overlap says how long the old one works",
			sample(`{"client_id": "` + s.LWA.Client().ClientID + `"}`), body(s.newSecret),
		},
		{"GET", "/sandbox/faults", "the trouble that is still to come", nil, answer(func(*http.Request) (any, error) { return s.faults(), nil })},
		{"POST", "/sandbox/faults", "queues trouble of either service", sample(faults), body(s.addFaults)},
		{"DELETE", "/sandbox/faults", "forgets it", nil, answer(s.clearFaults)},
		{"GET", "/sandbox/switches", "how the services behave where it is not known how Amazon does", nil, answer(func(*http.Request) (any, error) { return s.switches(), nil })},
		{"POST", "/sandbox/switches", "sets those that are given", sample(`{"lwa": {"poll_interval": "1s"}}`), web.Func(s.setSwitches)},
	}
}

// index lists the JSON API, a route a line: people read it, too.
func (s *Sandbox) index(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	list := json.NewEncoder(&b) // ends what it writes with a new line
	list.SetEscapeHTML(false)
	before := "["
	for _, r := range s.routes() {
		b.WriteString(before)
		if err := list.Encode(r); err != nil {
			return err
		}
		before = ","
	}
	b.WriteString("]\n")
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client has gone
	return nil
}
