package lwatest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/pkg/internal/standin"
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
	if err := standin.OneOf("route", f.Route, routeNames...); err != nil {
		return err
	}
	if err := standin.OneOf("kind", f.Kind, kinds...); err != nil {
		return err
	}
	if f.GrantType != "" && (f.Route != RouteToken || !slices.Contains(grantTypes, f.GrantType)) {
		return fmt.Errorf("grant_type must be empty, or for the route token one of %s", strings.Join(grantTypes, ", "))
	}
	return standin.CheckFault(f.Kind, f.Times, time.Duration(f.Delay), f.RetryAfter)
}

// Script queues faults. Each request takes the first one for its route and grant type.
//
// Errors: those of [Fault.Validate], or over 1000 faults are queued. Then none is added.
func (s *Server) Script(fs ...Fault) error { return s.faults.Script(fs) }

// Faults lists the faults that are still to come, with Times counted down.
func (s *Server) Faults() []Fault { return s.faults.List() }

// ClearFaults drops the faults that are still to come.
func (s *Server) ClearFaults() { s.faults.Clear() }

// meantBy reports whether a fault is for this request.
func (q *request) meantBy(f Fault) bool {
	return f.Route == q.route && (f.GrantType == "" || f.GrantType == q.grantType())
}

// timesOf is where a fault keeps how often it happens.
func timesOf(f *Fault) *int { return &f.Times }

// troubled answers q as far as the fault lets it; false: there is no answer at all.
func (s *Server) troubled(ctx context.Context, q *request, f Fault) (reply, bool) {
	gone := !standin.Wait(ctx, time.Duration(f.Delay))
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
