package drstest

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// maxJournal is how many requests the journal remembers.
const maxJournal = 1_000

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

type journal struct {
	mu      sync.Mutex
	entries []Entry // a ring once it is full
	seq     int64
	calls   map[Route]int
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
	s.journal.add(e)
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

func (j *journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	if len(j.entries) < maxJournal {
		j.entries = append(j.entries, e)
	} else {
		j.entries[(j.seq-1)%maxJournal] = e
	}
	if j.calls == nil {
		j.calls = map[Route]int{}
	}
	j.calls[e.Route]++
}

// Journal lists the last 1000 requests, the oldest first.
func (s *Server) Journal() []Entry {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	start := 0
	if len(j.entries) == maxJournal {
		start = int(j.seq % maxJournal)
	}
	return slices.Concat(j.entries[start:], j.entries[:start])
}

// Calls counts the requests to a route since the server was made, faults included.
func (s *Server) Calls(route Route) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.calls[route]
}
