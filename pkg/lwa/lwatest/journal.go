package lwatest

import (
	"time"
)

// Entry is a request that was answered, or wasn't. It holds no secret, code or token:
// of what was sent it names the known parameters, and repeats the client ID and grant
// type when they are known ones.
type Entry struct {
	Seq       int64     `json:"seq"` // from 1
	At        time.Time `json:"at"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Route     Route     `json:"route"`
	GrantType string    `json:"grant_type,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	// Params are the names of the parameters that were sent, sorted; "(basic)" stands
	// for credentials in the Authorization header.
	Params []string `json:"params,omitempty"`
	Status int      `json:"status"` // 0: no answer
	// Outcome is issued, an error code with the parameter it is about, or a few words.
	Outcome string `json:"outcome"`
	Fault   Kind   `json:"fault,omitempty"`
}

// call is what Calls counts by.
type call struct {
	route     Route
	grantType string
}

// unknown stands for what the journal doesn't repeat.
const unknown = "(unknown)"

func (s *Server) note(q *request, p reply, f Fault) {
	e := Entry{
		At: q.now, Method: q.method, Path: q.path, Route: q.route, Params: q.names(),
		GrantType: q.grantType(), ClientID: s.known(q.clientID()),
		Status: p.status, Outcome: p.outcome, Fault: f.Kind,
	}
	if f.Kind == DropAfter {
		e.Status = 0
	}
	s.journal.Add(call{e.Route, e.GrantType}, func(seq int64) Entry {
		e.Seq = seq
		return e
	})
}

// known returns a client ID that is registered: anything else may be a secret that
// somebody has put in the wrong place.
func (s *Server) known(clientID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if clientID != "" && s.st.clients[clientID] == nil {
		return unknown
	}
	return clientID
}

// Journal lists the last 1000 requests, the oldest first.
func (s *Server) Journal() []Entry { return s.journal.Entries() }

// Calls counts the requests to a route since the server was made, faults included;
// of the token route those with one grant type, with "" all of them.
func (s *Server) Calls(route Route, grantType string) int {
	return s.journal.Count(func(c call) bool { return c.route == route && (grantType == "" || c.grantType == grantType) })
}
