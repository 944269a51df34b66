package lwatest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds of fault. Those "after the work" have done everything that a good answer
// would have said: the code is used up, the tokens are issued.
const (
	Slow             Kind = "slow"               // a good answer, after the delay
	DropBefore       Kind = "drop_before"        // the connection closes, nothing was done
	DropAfter        Kind = "drop_after"         // the connection closes, after the work
	Truncated        Kind = "truncated"          // half the answer, then the connection closes; after the work
	Throttled        Kind = "throttled"          // 429, with Retry-After where it is given
	ServerTrouble    Kind = "server_error"       // 500 ServerError
	Unavailable      Kind = "unavailable"        // 503 with a page of HTML
	Hang             Kind = "hang"               // no answer until the client goes away; nothing was done
	WrongContentType Kind = "wrong_content_type" // a good answer that calls itself text/html; after the work
	Empty            Kind = "empty"              // 200 with an empty body; after the work
	HTML             Kind = "html"               // 200 with a page of HTML, as a hotel's network answers; nothing was done
)

// Limits on faults.
const (
	maxFaults = 1_000
	maxDelay  = 10 * time.Minute
	maxTimes  = 1_000_000
)

// Fault is trouble to come. Its JSON form is what a control API takes.
type Fault struct {
	// Route is where it happens. Required.
	Route Route `json:"route"`
	// GrantType limits a fault of the token route to one grant type; "": any.
	GrantType string `json:"grant_type,omitempty"`
	// Kind is what happens. Required.
	Kind Kind `json:"kind"`
	// Times is how often; 0: once.
	Times int `json:"times,omitempty"`
	// Delay passes before anything else happens, in real time; Slow needs one, at most 10m.
	Delay Duration `json:"delay,omitempty"`
	// RetryAfter is the header of Throttled and Unavailable, as it is sent; "": none.
	RetryAfter string `json:"retry_after,omitempty"`
}

// Validate says which field, by its JSON name, holds what it can't.
func (f Fault) Validate() error {
	kinds := []Kind{
		Slow, DropBefore, DropAfter, Truncated, Throttled, ServerTrouble, Unavailable, Hang,
		WrongContentType, Empty, HTML,
	}
	if err := oneOf("route", f.Route, routeNames...); err != nil {
		return err
	}
	if err := oneOf("kind", f.Kind, kinds...); err != nil {
		return err
	}
	switch {
	case f.GrantType != "" && (f.Route != RouteToken || !slices.Contains(grantTypes, f.GrantType)):
		return fmt.Errorf("grant_type must be empty, or for the route token one of %s", strings.Join(grantTypes, ", "))
	case f.Times < 0 || f.Times > maxTimes:
		return fmt.Errorf("times must be 0 to %d", maxTimes)
	case f.Delay < 0 || time.Duration(f.Delay) > maxDelay:
		return fmt.Errorf("delay must be 0s to %s", maxDelay)
	case f.Kind == Slow && f.Delay == 0:
		return errors.New("delay must be given for slow")
	case f.RetryAfter != "" && f.Kind != Throttled && f.Kind != Unavailable:
		return errors.New("retry_after goes with throttled and unavailable only")
	case len(f.RetryAfter) > 64 || strings.ContainsFunc(f.RetryAfter, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("retry_after must be at most 64 printable ASCII characters")
	}
	return nil
}

// faults is what was scripted and hasn't happened yet.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

// Script queues faults. Each request takes the first one for its route and grant type.
//
// Errors: those of [Fault.Validate], or over 1000 faults are queued. Then none is added.
func (s *Server) Script(fs ...Fault) error {
	add := make([]Fault, len(fs))
	for i, f := range fs {
		if err := f.Validate(); err != nil {
			return err
		}
		f.Times = max(f.Times, 1)
		add[i] = f
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if len(s.faults.list)+len(add) > maxFaults {
		return fmt.Errorf("at most %d faults can wait", maxFaults)
	}
	s.faults.list = append(s.faults.list, add...)
	return nil
}

// Faults lists the faults that are still to come, with Times counted down.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.list)
}

// ClearFaults drops the faults that are still to come.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// take returns the next fault of a request, the zero Fault when all is well.
func (fs *faults) take(route Route, grantType string) Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.Route != route || f.GrantType != "" && f.GrantType != grantType {
			continue
		}
		if fs.list[i].Times--; fs.list[i].Times == 0 {
			fs.list = slices.Delete(fs.list, i, i+1)
		}
		return f
	}
	return Fault{}
}

// troubled answers q as far as the fault lets it; false: there is no answer at all.
func (s *Server) troubled(ctx context.Context, q *request, f Fault) (reply, bool) {
	gone := !wait(ctx, time.Duration(f.Delay))
	p := reply{outcome: "no answer"}
	switch {
	case gone, f.Kind == DropBefore:
	case f.Kind == Hang:
		s.note(q, p, f) // while it hangs
		<-ctx.Done()
		return p, false
	case f.Kind == Throttled:
		p = reply{status: http.StatusTooManyRequests, json: map[string]string{"message": "Rate exceeded"}, outcome: "429"}
	case f.Kind == ServerTrouble:
		p = q.refuse(serverTrouble)
	case f.Kind == Unavailable:
		p = s.errorPage(http.StatusServiceUnavailable, "The service is not available. Please try again later.")
	case f.Kind == HTML:
		p = s.errorPage(http.StatusOK, "Welcome to this network. Please accept its terms.")
	default:
		p = s.answer(q)
	}
	s.note(q, p, f)
	return p, !gone && f.Kind != DropBefore && f.Kind != DropAfter
}

// wait returns false when the client went away meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
