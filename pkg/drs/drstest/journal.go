package drstest

import (
	"strings"
	"time"
)

// Entry is a request that was answered, or wasn't. It holds no token.
type Entry struct {
	Seq    int64     `json:"seq"` // from 1
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Route  Route     `json:"route"` // "": there is no such path, or not for this method
	// Params are the slot, order, or model and serial in the path, cut to 64 bytes.
	Params []string `json:"params,omitempty"`
	Model  string   `json:"model,omitempty"` // whose the token was; "" for one that was not good
	Serial string   `json:"serial,omitempty"`
	Status int      `json:"status"` // 0: no answer
	// Outcome is what came of it, in a few words.
	Outcome string `json:"outcome"`
	Fault   Kind   `json:"fault,omitempty"`
}

// note writes a request down.
func (s *Server) note(q *request, p reply, f Fault) {
	e := Entry{
		At: q.at, Method: cut(q.method, 16), Route: q.route(), Model: q.device.model, Serial: q.device.serial,
		Status: p.status, Outcome: p.outcome, Fault: f.Kind,
	}
	for _, param := range q.params {
		e.Params = append(e.Params, q.harmless(param))
	}
	if f.Kind == DropAfter {
		e.Status = 0
	}
	s.journal.Add(e.Route, func(seq int64) Entry {
		e.Seq = seq
		return e
	})
}

// harmless returns a parameter that may be kept: a client might put a token there.
func (q *request) harmless(param string) string {
	if strings.HasPrefix(param, "Atz") || q.token != "" && strings.Contains(param, q.token) {
		return "(a token)"
	}
	return cut(param, 64)
}

func cut(s string, limit int) string {
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

// Journal lists the last 1000 requests, the oldest first.
func (s *Server) Journal() []Entry { return s.journal.Entries() }

// Calls counts the requests to a route since the server was made, faults included.
func (s *Server) Calls(route Route) int {
	return s.journal.Count(func(called Route) bool { return called == route })
}
