package lwatest

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/restock-dev/restock/pkg/internal/standin"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Options are what a server starts with. The zero Options are good for most tests.
type Options struct {
	// Clock tells the time; nil: a clock of the server's own, with the real time.
	Clock *Clock
	// Clients are registered; none: [DefaultClient].
	Clients []Client
	// Customers are registered, the first is signed in; none: [DefaultCustomers].
	Customers []Customer
	// Switches say how it behaves; nil: [DefaultSwitches].
	Switches *Switches
	// VerificationURI is where devices send their customers to; "": /us/code at the
	// host that the device itself has asked.
	VerificationURI string
	// Save keeps records that changed: in one step, all or none of them. It is called
	// before the answer that depends on them leaves, one call at a time, and must not
	// call the server. After an error the request fails and nothing has changed. Nil:
	// nothing is kept.
	Save func([]Record) error
	// Granted and Revoked are told of each grant that a customer makes, and of each
	// that ends. Nil: nobody is told.
	Granted func(Grant)
	Revoked func(Grant)
}

// Server stands in for Login with Amazon. Make one with [New] or [NewServer]; all its
// methods may be called at the same time.
type Server struct {
	// URL is the address it listens at, such as http://127.0.0.1:40000; set by Start.
	URL string

	options   Options
	clock     *Clock
	first     string     // the client that Client speaks for
	signing   lwa.Secret // key for consent pages
	maxGrants int
	maxAccess int
	faults    standin.Faults[Fault]
	journal   standin.Journal[Entry, call]
	listening standin.Listening

	mu sync.Mutex
	st *state
}

// New makes a server that doesn't listen: it is an [http.Handler].
//
// Errors: the client, customer or switch that can't be.
func New(o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = new(Clock)
	}
	if len(o.Clients) == 0 {
		o.Clients = []Client{DefaultClient()}
	}
	if len(o.Customers) == 0 {
		o.Customers = DefaultCustomers()
	}
	s := &Server{
		options: o, clock: o.Clock, first: o.Clients[0].ID, signing: lwa.NewSecret(string(random(32))),
		maxGrants: maxGrants, maxAccess: maxAccess, st: newState(),
	}
	s.faults.Times = timesOf
	if err := s.st.start(o); err != nil {
		return nil, fmt.Errorf("lwatest: %w", err)
	}
	return s, nil
}

// start takes over what the options name; nothing of it is saved.
func (st *state) start(o Options) error {
	for _, c := range o.Clients {
		k, err := newClient(c)
		if err != nil {
			return err
		}
		st.clients[k.ID] = k
	}
	for _, c := range o.Customers {
		if err := c.check(); err != nil {
			return err
		}
		st.setCustomer(c)
	}
	if o.Switches != nil {
		if err := st.check(*o.Switches); err != nil {
			return err
		}
		sw := *o.Switches
		st.switches = &sw
	}
	st.offset = o.Clock.Offset()
	return nil
}

// Clock returns the server's clock.
func (s *Server) Clock() *Clock { return s.clock }

// Client returns an LWA client that is the first of [Options.Clients] and talks to
// this server, over the network if it listens and in memory if not. It knows the
// client's newest secret, unless that came from [Server.Restore].
func (s *Server) Client() *lwa.Client {
	s.mu.Lock()
	k := s.st.clients[s.first]
	s.mu.Unlock()
	c := &lwa.Client{
		ClientID:     k.ID,
		ClientSecret: k.plain,
		RedirectURL:  k.RedirectURLs[0],
		Endpoint:     s.Endpoint(),
		Now:          s.clock.Now,
	}
	if s.URL == "" {
		c.HTTPClient = &http.Client{Transport: s.Transport()}
	}
	return c
}

// Endpoint returns where the server is. For one that doesn't listen that is a name
// under .invalid, which only [Server.Transport] reaches.
func (s *Server) Endpoint() lwa.Endpoint {
	base := s.URL
	if base == "" {
		base = "http://lwa.invalid"
	}
	return lwa.Endpoint{AuthorizeURL: base + "/ap/oa", APIURL: base}
}

// ServeHTTP implements [http.Handler]. It drops a connection, as a scripted fault, by
// panicking with [http.ErrAbortHandler], as net/http wants it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := s.read(r)
	f := s.faults.Take(q.meantBy)
	p, ok := s.troubled(r.Context(), q, f)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	s.write(w, q, p, f)
}
