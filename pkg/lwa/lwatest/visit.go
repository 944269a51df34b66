package lwatest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Visitor is a customer at the authorize page. The zero Visitor is the customer who is
// signed in, and agrees to everything.
type Visitor struct {
	Customer string   // user ID; "": who is signed in
	Deny     bool     // presses the other button
	Untick   []string // voluntary scopes left out

	dropVoluntary bool
}

// Visit plays the browser of a customer who opens the authorize page and answers it. It
// returns where the browser is sent to, with a code or an error in the query. It pays
// no regard to [Switches.Consent] and scripted faults.
//
// Errors: the authorize page shows an error and sends the browser nowhere.
func (s *Server) Visit(authorizeURL string, v Visitor) (*url.URL, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil || !strings.HasSuffix(u.Path, "/ap/oa") {
		return nil, errors.New("lwatest: that is no authorize page")
	}
	q := &request{
		id: newRequestID(), now: s.clock.Now(), sw: s.switches(), route: RouteAuthorize,
		method: http.MethodGet, path: "/ap/oa", query: u.RawQuery, params: u.Query(),
	}
	var p reply
	if a, bad := s.readAuthorization(q, u.RawQuery); bad != nil {
		p = *bad
	} else {
		p = s.decide(q, a, v)
	}
	s.note(q, p, Fault{})
	if p.location == "" {
		return nil, fmt.Errorf("lwatest: the browser is sent nowhere: %s", p.outcome)
	}
	return url.Parse(p.location)
}
