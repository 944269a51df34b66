package drstest

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

// Limits on faults.
const (
	maxFaults = 1_000
	maxTimes  = 1_000_000
	maxDelay  = 10 * time.Minute
)

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
	if err := errors.Join(oneOf("route", f.Route, Routes()...), oneOf("kind", f.Kind, kinds()...)); err != nil {
		return err
	}
	switch {
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

func oneOf[T ~string](field string, value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("%s must be one of %s", field, strings.Join(names, ", "))
}

// faults is what was scripted and hasn't happened yet.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

// Script queues faults. Each request takes the first one for its route.
//
// Errors: those of [Fault.Validate], or over 1000 faults are queued. Then none is added.
func (s *Server) Script(fs ...Fault) error {
	add := slices.Clone(fs)
	for i := range add {
		if err := add[i].Validate(); err != nil {
			return err
		}
		add[i].Times = max(add[i].Times, 1)
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

// take returns the next fault of a route, the zero Fault when all is well.
func (fs *faults) take(route Route) Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range fs.list {
		f := fs.list[i]
		if f.Route != route {
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
	p := reply{outcome: "no answer"}
	gone := !wait(ctx, time.Duration(f.Delay))
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
