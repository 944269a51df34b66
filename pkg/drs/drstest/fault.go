package drstest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Kind is what goes wrong.
type Kind string

// The kinds of fault. Those "after the work" have done everything that a good answer would
// have said: the order is placed.
const (
	Slow          Kind = "slow"          // a good answer, after the delay
	DropBefore    Kind = "drop_before"   // the connection closes, nothing was done
	DropAfter     Kind = "drop_after"    // the connection closes, after the work
	Truncated     Kind = "truncated"     // half the answer, then the connection closes; after the work
	Throttled     Kind = "throttled"     // 429, with Retry-After where it is given; nothing was done
	ServerTrouble Kind = "server_error"  // 500; nothing was done
	Unavailable   Kind = "unavailable"   // 503 with a page of HTML, and Retry-After where it is given
	InvalidToken  Kind = "invalid_token" // the reply to a bad token, to whatever token
	HTML          Kind = "html"          // 200 with a page of HTML, as a hotel's network answers; nothing was done
	Hang          Kind = "hang"          // no answer until the client goes away; nothing was done
)

func kinds() []Kind {
	return []Kind{
		Slow, DropBefore, DropAfter, Truncated, Throttled, ServerTrouble, Unavailable, InvalidToken, HTML, Hang,
	}
}

// Fault is trouble to come. Its JSON form is what a control API takes.
type Fault struct {
	// Route is where it happens. Required.
	Route Route `json:"route"`
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
	if err := errors.Join(standin.OneOf("route", f.Route, Routes()...), standin.OneOf("kind", f.Kind, kinds()...)); err != nil {
		return err
	}
	return standin.CheckFault(f.Kind, f.Times, time.Duration(f.Delay), f.RetryAfter)
}

// Script queues faults. Each request takes the first one for its route.
//
// Errors: those of [Fault.Validate], or over 1000 faults are queued. Then none is added.
func (s *Server) Script(fs ...Fault) error { return s.faults.Script(fs) }

// Faults lists the faults that are still to come, with Times counted down.
func (s *Server) Faults() []Fault { return s.faults.List() }

// ClearFaults drops the faults that are still to come.
func (s *Server) ClearFaults() { s.faults.Clear() }

// timesOf is where a fault keeps how often it happens.
func timesOf(f *Fault) *int { return &f.Times }

// troubled answers q as far as the fault lets it; false: there is no answer at all.
func (s *Server) troubled(ctx context.Context, q *request, f Fault) (reply, bool) {
	p := reply{outcome: "no answer"}
	gone := !standin.Wait(ctx, time.Duration(f.Delay))
	switch {
	case gone, f.Kind == DropBefore, f.Kind == Hang:
		s.note(q, p, f)
		if f.Kind == Hang {
			<-ctx.Done()
		}
		return p, false
	case f.Kind == Throttled:
		p = refuse(http.StatusTooManyRequests, "Rate exceeded", "throttled")
	case f.Kind == ServerTrouble:
		p = refuse(http.StatusInternalServerError, "Internal server error", "server error")
	case f.Kind == Unavailable:
		p = page(http.StatusServiceUnavailable, "The service is not available. Please try again later.")
	case f.Kind == InvalidToken:
		p = invalidToken()
	case f.Kind == HTML:
		p = page(http.StatusOK, "Welcome to this network. Please accept its terms.")
	default:
		p = s.answer(q)
	}
	p.at, p.retryAfter = q.at, f.RetryAfter
	s.note(q, p, f)
	return p, f.Kind != DropAfter
}

func page(status int, text string) reply {
	return reply{status: status, html: true, body: []byte("<!DOCTYPE html><p>" + text + "</p>\n"), outcome: "page of HTML"}
}
