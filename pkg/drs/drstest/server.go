package drstest

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Options are what a server starts with. Hooks may call the server, except for Save.
type Options struct {
	// Authorize says whose an access token is, false for one that is not good. It
	// is asked at every call. A device that it names without a [Server.Register] before
	// counts as registered; one that was deregistered stays so. Nil: no token is good.
	Authorize func(accessToken string) (Device, bool)
	// Deregistered is told of each device whose registration has ended, before the call
	// that ended it is answered. Nil: nobody is told.
	Deregistered func(Device)
	// Notify gets every notification, in order and one at a time: the message, and the
	// SNS message attributes, version 2.0 or none. What a call gave rise to is handed over
	// before it is answered, unless another call is still at it. Nil: nobody is told.
	Notify func(body []byte, attributes map[string]string)
	// Now tells the time; nil: [time.Now].
	Now func() time.Time
	// Models are the slots of each device model, Subscribed meaning that a customer who
	// registers subscribes to it. A model that is not listed has [DefaultSlots].
	Models map[string][]Slot
	// MaxOrders is how many orders are kept, open ones in any case; 0: 100000. The oldest
	// are forgotten first.
	MaxOrders int
	// Switches say how it behaves; nil: [DefaultSwitches].
	Switches *Switches
	// Save keeps records that changed: in one step, all or none of them. It is called
	// before the answer that depends on them leaves, one call at a time, and must not
	// call the server. After an error the request fails and nothing has changed. Nil:
	// nothing is kept.
	Save func([]Record) error
}

// Server stands in for DRS. Make one with [New] or [NewServer]; all its methods may be
// called at the same time.
type Server struct {
	// URL is the address it listens at, such as http://127.0.0.1:40000; set by Start.
	URL string

	options   Options
	faults    standin.Faults[Fault]
	journal   standin.Journal[Entry, Route]
	outbox    outbox
	listening standin.Listening

	mu sync.Mutex
	st *state
}

// New makes a server that doesn't listen: it is an [http.Handler].
//
// Errors: the slot or switch that can't be.
func New(o Options) (*Server, error) {
	for model, slots := range o.Models {
		if err := checkSlots(slots); err != nil {
			return nil, fmt.Errorf("drstest: device model %.80q: %w", model, err)
		}
	}
	if o.MaxOrders <= 0 {
		o.MaxOrders = defaultMaxOrders
	}
	s := &Server{options: o, st: newState()}
	s.faults.Times = timesOf
	s.outbox.notify = o.Notify
	if o.Switches != nil {
		s.st.switches = *o.Switches
	}
	return s, nil
}

// now has no monotonic part: a time that was saved and restored equals what it was.
func (s *Server) now() time.Time {
	if s.options.Now == nil {
		return time.Now().UTC().Round(0)
	}
	return s.options.Now().UTC().Round(0)
}

// Client returns a DRS client that talks to this server, over the network if it listens
// and in memory if not.
func (s *Server) Client() *drs.Client {
	if s.URL == "" {
		return &drs.Client{BaseURL: "http://drs.invalid", HTTPClient: &http.Client{Transport: s.Transport()}}
	}
	return &drs.Client{BaseURL: s.URL}
}

// Tokens returns an [Options.Authorize] for tokens that never expire.
func Tokens(devices map[string]Device) func(accessToken string) (Device, bool) {
	return func(accessToken string) (Device, bool) {
		d, ok := devices[accessToken]
		return d, ok
	}
}

// ServeHTTP implements [http.Handler]. It drops a connection, as a scripted fault, by
// panicking with [http.ErrAbortHandler], as net/http wants it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := s.read(w, r)
	f := s.faults.Take(func(f Fault) bool { return f.Route == q.route() })
	p, ok := s.troubled(r.Context(), q, f)
	if !ok || !s.write(w, p, f) {
		panic(http.ErrAbortHandler)
	}
}

// answer does what a request asks for.
func (s *Server) answer(q *request) reply {
	if p, ok := q.check(); !ok {
		return p
	}
	if q.token == "" || s.options.Authorize == nil {
		return invalidToken()
	}
	device, ok := s.options.Authorize(q.token)
	if !ok {
		return invalidToken()
	}
	q.device = device.key()
	p := invalidToken()
	err := s.update(func(c *change) error {
		if c.registration(device.key()) == nil {
			c.set(s.newRegistration(device))
		}
		r := c.edit(device.key())
		if !r.Registered || r.CustomerID != device.CustomerID {
			return nil
		}
		r.Device = device // what the token says now
		p = q.endpoint.handle(c, q, r)
		return nil
	})
	if err != nil {
		return saveFailed()
	}
	return p
}

// update makes a change: f says what it is, and an error of f makes it none. What has
// fallen due comes first. The hooks are called at the end, outside of the lock.
func (s *Server) update(f func(*change) error) error {
	ended, err := s.locked(f)
	if s.options.Deregistered != nil {
		for _, d := range ended {
			s.options.Deregistered(d)
		}
	}
	s.outbox.deliver()
	return err
}

func (s *Server) locked(f func(*change) error) (ended []Device, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.tick(); err != nil {
		return nil, err
	}
	c := newChange(s)
	if err := f(c); err != nil {
		return nil, err
	}
	return c.ended, s.commit(c)
}
